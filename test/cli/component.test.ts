import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { socketsFolder } from "../pluggable/fake-component.ts";
import { Command, cufflink } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

test.each([
  [[], "say at least one --type"],
  [["--type", "kafak"], '--type "kafak" is no type of a binding; did you mean kafka?'],
  [["--type", "kitex"], "--type kitex cannot be served: the type is known, and not built"],
  [["--type", "cron", "--socket-mode", "9"], '--socket-mode "9" is no mode such as 600 or 660'],
  [["--type", "cron", "--log-level", "loud"], '--log-level "loud" is none of debug'],
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
