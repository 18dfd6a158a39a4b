import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Command, root } from "../cli/command.ts";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";

test("the app without a port gets events, replies, invokes an output, and ends with the runtime", async () => {
  const [http = 0, grpc = 0, metrics = 0, hook = 0] = await Promise.all(
    Array.from({ length: 4 }, () => reservePort()),
  );
  onTestFinished(async () => {
    for (const port of [http, grpc, metrics, hook]) await releasePort(port);
  });
  const notes = folder({});
  const components = join(root, "examples/stream-app/components");
  const resources = folder(
    Object.fromEntries(
      readdirSync(components).map((name) => [
        name,
        readFileSync(join(components, name), "utf8")
          .replace("examples/stream-app/notes", notes)
          .replace("127.0.0.1:8089", `127.0.0.1:${hook}`),
      ]),
    ),
  );
  const ports = [
    ...["--dapr-http-port", String(http), "--dapr-grpc-port", String(grpc)],
    ...["--metrics-port", String(metrics)],
  ];
  const app = [process.execPath, join(root, "examples/stream-app/app.ts")];
  const command = new Command([
    "run",
    "--app-id",
    "stream-app",
    ...ports,
    "--resources-path",
    resources,
    "--",
    ...app,
  ]);
  await command.printed(/tick, attempt 1: wrote notes\/tick\.txt/);
  expect(readFileSync(join(notes, "tick.txt"), "utf8")).toMatch(/^The time is .*, attempt 1\.\n$/);
  const answer = await fetch(`http://127.0.0.1:${hook}/hook`, { method: "POST", body: "Hi" });
  expect(await answer.text()).toBe("Heard: Hi\n");
  command.signal("SIGINT");
  expect(await command.exited).toBe(0);
});
