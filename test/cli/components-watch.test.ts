import { expect, test } from "vitest";
import { until } from "../until.ts";
import { Command } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";
import { startServing } from "./serving.ts";

const tick = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: tick }
spec:
  type: bindings.cron
  version: v1
  metadata: [{ name: schedule, value: "@every 1h" }]
`;

test("a line comes for each component and each change, until nobody reads any more or wants it", async () => {
  const { command: runtime, grpc } = await startServing({ "tick.yaml": tick });
  const address = `--address=127.0.0.1:${grpc}`;
  const watched = new Command(["components", "--watch", address]);
  const asJson = new Command(["components", "tick", "-w", "--json", address]);
  const unread = new Command(["components", "--watch", address]);
  await watched.printed(/^\d{4}-\S+Z {2}tick {2}\w/m);
  await asJson.printed(/^\{"at":"[^"]*","name":"tick","type":"bindings\.cron"/);
  await unread.printed(/tick/);
  unread.child.stdout!.destroy();
  await cufflinkHere(["components", "pause", "tick", "--reason", "the shop moves", address]);
  await watched.printed(/^\S+ {2}tick {2}paused {2}.*the shop moves/m);
  await asJson.printed(/"state":"paused".*\n/);
  expect(await unread.exited).toBe(0);
  runtime.signal("SIGTERM");
  await until(() => watched.stderr.includes("waiting for it"), { what: "the absence to be told" });
  for (const command of [watched, asJson]) {
    command.signal("SIGINT");
    expect(await command.exited).toBe(0);
  }
  expect(watched.stderr.match(/waiting for it/g)).toHaveLength(1);
  for (const line of asJson.stdout.trim().split("\n"))
    expect(JSON.parse(line)).toMatchObject({ name: "tick" });
}, 60_000);

test("no runtime at the start ends it", async () => {
  const result = await cufflinkHere(["components", "-w", "--address", "unix:/nosuch.socket"]);
  expect(result.code).toBe(69);
});
