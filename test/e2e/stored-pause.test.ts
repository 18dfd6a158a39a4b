import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createApp } from "../../src/sdk/index.ts";
import { folder } from "../resources/folder.ts";
import { until } from "../until.ts";
import { startDaemon, type Daemon } from "./daemon.ts";

async function operate(daemon: Daemon, method: string, request: object): Promise<unknown> {
  const answer = await fetch(
    `http://127.0.0.1:${daemon.httpPort}/cufflink.v1.Operations/${method}`,
    {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    },
  );
  expect(answer.status, daemon.output()).toBe(200);
  return answer.json();
}

test("a component that an operator has paused is paused after a restart, until it is resumed", async () => {
  const state = folder({});
  const [inbox, path] = ["inbox", folder({ "order.txt": "order" })];
  const start = async (): Promise<Daemon> => {
    const daemon = await startDaemon({
      components: [
        { name: inbox, type: "bindings.file", metadata: { folder: path, quietTime: "10ms" } },
      ],
      env: { XDG_STATE_HOME: state },
    });
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    return daemon;
  };
  const untilState = (daemon: Daemon, wanted: string): Promise<void> =>
    until(async () => (await daemon.state(inbox)) === wanted, {
      what: () => `the input to be ${wanted}:\n${daemon.output()}`,
    });
  const first = await start();
  await untilState(first, "waiting for app");
  // Nothing is opened for what was never asked for.
  expect(existsSync(join(state, "cufflink"))).toBe(false);
  await operate(first, "PauseComponent", { name: inbox, reason: "stocktaking" });
  await untilState(first, "paused");
  first.process.kill("SIGKILL");
  await first.end("SIGKILL");

  const second = await start();
  const app = createApp({ runtime: `127.0.0.1:${second.grpcPort}`, log: () => undefined });
  onTestFinished(() => app.close({ deadline: 0 }));
  const heard: string[] = [];
  app.on(inbox, (event) => void heard.push(event.text()));
  await app.start();
  await until(() => app.connected, { what: "the app to be connected" });
  await untilState(second, "paused");
  expect(await operate(second, "DescribeComponent", { name: inbox })).toMatchObject({
    component: { reason: expect.stringContaining("stocktaking") as string },
  });
  expect(heard).toEqual([]);
  await operate(second, "ResumeComponent", { name: inbox });
  await until(() => heard.length === 1, { what: () => `the event:\n${second.output()}` });
});
