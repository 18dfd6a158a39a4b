import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { socketsFolder } from "../pluggable/fake-component.ts";
import { FakeApp } from "../runtime/fake-app.ts";
import { component as fakeComponent } from "../runtime/fake-binding.ts";
import { ask } from "../server/console/console.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { hostOf } from "../pluggable/host/hosted.ts";
import { Command, cufflink } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

test.each([
  [[], "say at least one --type"],
  [["--type", "kafak"], '--type "kafak" is no type of a binding; did you mean kafka?'],
  [["--type", "kitex"], "--type kitex cannot be served: the type is known, and not built"],
  [["--type", "cron", "--socket-mode", "9"], '--socket-mode "9" is no mode such as 600 or 660'],
  [["--type", "cron", "--log-level", "loud"], '--log-level "loud" is none of debug'],
  [["--type", "cron", "--allow-origin", "shop.example"], '"shop.example" is not an origin'],
  [["--type", "cron", "--max-body-size", "0"], '--max-body-size "0" is not a size'],
])("wrong flags: %j", async (flags, text) => {
  const { code, stderr } = await cufflinkHere(["component", ...flags]);
  expect(stderr).toContain(text);
  expect(stderr).toContain("See cufflink component --help.");
  expect(code).toBe(2);
});

test("several types have a socket each, in the folder that the environment names, until the end", async () => {
  const sockets = await socketsFolder();
  const env = { DAPR_COMPONENTS_SOCKETS_FOLDER: sockets };
  const flags = ["--type", "bindings.cron", "--type", "LocalStorage"];
  const command = new Command(["component", ...flags], { env });
  await command.printed(/cron\.sock/);
  await command.printed(/localstorage\.sock/);
  expect(existsSync(join(sockets, "cron.sock"))).toBe(true);
  // A second one does not take the first one's place.
  const second = await cufflink(["component", "--type", "cron"], { env });
  expect(second.code).toBe(69);
  expect(second.stderr).toContain("another process listens there");
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
  expect(existsSync(join(sockets, "cron.sock"))).toBe(false);
  expect(existsSync(join(sockets, "localstorage.sock"))).toBe(false);
});

test("a webhook that it serves refuses a foreign page and a foreign host's name, but those that flags allow", async () => {
  const [folder, port] = [await socketsFolder(), await reservePort()];
  onTestFinished(() => releasePort(port));
  const flags = ["--socket-folder", folder, "--allow-origin", "https://shop.example"];
  const command = new Command(["component", "--type", "webhook", ...flags]);
  await command.printed(/webhook\.sock/);
  const { runtime } = hostOf(folder, { app: new FakeApp() });
  const address = `127.0.0.1:${port}`;
  await runtime.apply([fakeComponent("webhook", { address, path: "/hook" })]);
  const post = async (headers: Record<string, string> = {}): Promise<number | undefined> =>
    (await ask(port, "/hook", { method: "POST", headers }).catch(() => undefined))?.status;
  await until(async () => (await post()) === 204, { what: "the webhook", within: 20_000 });
  expect(await post({ origin: "https://shop.example" })).toBe(204);
  expect(await post({ origin: "https://evil.example" })).toBe(403);
  expect(await post({ host: "evil.example" })).toBe(403);
  await command.printed(/--allowed-hosts evil\.example/);
});
