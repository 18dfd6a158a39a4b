import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createApp, type BindingEvent } from "../../src/sdk/index.ts";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { until } from "../until.ts";

const tick = { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 1s" } };

async function filesIn(): Promise<{ name: string; type: string; metadata: { rootPath: string } }> {
  const rootPath = await mkdtemp(join(tmpdir(), "cufflink-sdk-"));
  onTestFinished(() => rm(rootPath, { recursive: true, force: true }));
  return { name: "files", type: "bindings.localstorage", metadata: { rootPath } };
}

function appOf(daemon: Daemon, token?: string) {
  const app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, token, log: () => undefined });
  onTestFinished(() => app.close({ deadline: 0 }));
  return app;
}

test("invocations of a real runtime: small and large, with the binding's own answers and failures", async () => {
  await using daemon = await startDaemon({ components: [await filesIn()] });
  const app = appOf(daemon);
  const names = Array.from({ length: 50 }, (_, number) => `${number}.txt`);
  await Promise.all(
    names.map((fileName) =>
      app.invoke("files", "create", { data: fileName, metadata: { fileName } }),
    ),
  );
  const answers = await Promise.all(
    names.map((fileName) => app.invoke("files", "get", { metadata: { fileName } })),
  );
  expect(answers.map(({ data }) => Buffer.from(data).toString())).toEqual(names);

  // Larger than what the runtime takes in one message.
  const large = Buffer.alloc(9_000_000, "0123456789");
  await app.invoke("files", "create", { data: large, metadata: { fileName: "large" } });
  const { data } = await app.invoke("files", "get", { metadata: { fileName: "large" } });
  expect(Buffer.compare(data, large)).toBe(0);
  const signal = new AbortController().signal;
  const one = await app.invoke("files", "get", { metadata: { fileName: "1.txt" }, signal });
  expect(Buffer.from(one.data).toString()).toBe("1.txt");

  await expect(app.invoke("nowhere", "create")).rejects.toMatchObject({
    reason: "not_found",
    effect: "rejected",
    message: expect.stringContaining("nowhere"),
  });
  await expect(
    app.invoke("files", "get", { metadata: { fileName: "absent" } }),
  ).rejects.toMatchObject({ name: "BindingError", reason: "not_found" });
});

test("events and invocations survive a runtime that restarts, and the token is sent", async () => {
  const env = { DAPR_API_TOKEN: "secret" };
  const components = [tick, await filesIn()];
  const first = await startDaemon({ components, env });
  onTestFinished(() => first[Symbol.asyncDispose]());
  const app = appOf(first, "secret");
  const events: BindingEvent[] = [];
  app.on("tick", (event) => void events.push(event));
  await app.start();
  await until(() => events.length > 0, { what: () => `a tick:\n${first.output()}` });
  expect(await first.end("SIGTERM")).toBe(0);
  const waiting = app.invoke("files", "create", { data: "x", metadata: { fileName: "x" } });
  const seen = events.length;
  const flags = ["--dapr-grpc-port", String(first.grpcPort)];
  await using second = await startDaemon({ components, env, flags });
  await waiting;
  await until(() => events.length > seen, { what: () => `a tick again:\n${second.output()}` });
  expect(events[0]?.metadata["readTimeUTC"]).toMatch(/^\d{4}-/);
  expect(events[0]?.attempt).toBe(1);

  const stranger = appOf(first, "wrong");
  await expect(stranger.invoke("files", "list")).rejects.toMatchObject({
    reason: "unauthenticated",
    message: expect.stringContaining("DAPR_API_TOKEN"),
  });
});

test("names that no input has are told to the app and to the runtime's log, when it dials", async () => {
  await using daemon = await startDaemon({ components: [tick, await filesIn()] });
  const logged: string[] = [];
  const app = createApp({
    runtime: `127.0.0.1:${daemon.grpcPort}`,
    log: (message) => logged.push(message),
  });
  onTestFinished(() => app.close({ deadline: 0 }));
  app.on("tik", () => undefined).on("files", () => undefined);
  await app.start();
  const complaints = [
    'the app subscribes to tik, and no input is called so; did you mean "tick"?',
    "the app subscribes to files, which is an output and reads no events",
  ];
  await until(() => logged.length === 2, { what: () => `two notices: ${logged.join()}` });
  expect(logged).toEqual(complaints);
  for (const complaint of complaints) expect(daemon.output()).toContain(complaint);
});

test("names that an app lists on its port, and that no input has, are told to both", async () => {
  const logged: string[] = [];
  await using app = createApp({ log: (message) => logged.push(message) });
  app.on("tik", () => undefined);
  const { port } = await app.serve({ port: 0 });
  const flags = ["--app-port", String(port), "--app-protocol", "grpc"];
  await using daemon = await startDaemon({ components: [tick], flags });
  await until(() => logged.some((one) => one.includes('did you mean "tick"?')), {
    what: () => `the notice: ${logged.join()}\n${daemon.output()}`,
  });
  expect(daemon.output()).toContain('did you mean "tick"?');
});
