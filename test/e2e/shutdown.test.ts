import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { component } from "../resources/folder.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type ComponentYaml, type Daemon } from "./daemon.ts";
import { kafkaProducer, rabbitmqProducer } from "./producers.ts";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-shutdown-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An app, and where it writes what it got. */
async function recordingApp(behaviour = "") {
  const [folder, port] = [await temporaryFolder(), await reservePort()];
  const file = join(folder, "events");
  const app = await startApp({ port, file, bindings: ["tick"], behaviour });
  onTestFinished(() => app.kill());
  const flags = ["--app-port", String(port), "--app-protocol", "grpc"];
  return { app, flags, folder, events: () => recorded(file) };
}

const everySecond = (): ComponentYaml => ({
  name: "tick",
  type: "bindings.cron",
  metadata: { schedule: "@every 1s" },
});

const health = async ({ httpPort }: Daemon): Promise<number> =>
  (await fetch(`http://127.0.0.1:${httpPort}/v1.0/healthz`)).status;

test("an app that does not finish has the graceful time, and the exit code says so", async () => {
  // A tick has no payload: it hangs at once.
  const { flags, events } = await recordingApp("hang:");
  await using daemon = await startDaemon({
    components: [everySecond()],
    flags: [...flags, "--dapr-graceful-shutdown-seconds", "1"],
  });
  await until(async () => (await events()).length > 0, { what: "a tick" });
  const started = performance.now();
  expect(await daemon.end()).toBe(1);
  expect(performance.now() - started).toBeGreaterThan(950);
  expect(daemon.output()).toContain("the app did not finish in time");
});

test("a second signal ends at once", async () => {
  const { flags, events } = await recordingApp("hang:");
  await using daemon = await startDaemon({
    components: [everySecond()],
    flags: [...flags, "--dapr-graceful-shutdown-seconds", "600"],
  });
  await until(async () => (await events()).length > 0, { what: "a tick" });
  const ended = daemon.end();
  await until(() => daemon.output().includes("shutting down: no more"), {
    what: "the first signal",
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  daemon.process.kill("SIGTERM");
  expect(await ended).toBe(1);
  expect(daemon.output()).toContain("exiting now");
});

test("an exception that belongs to no component ends it in order, with 70", async () => {
  const { flags, events } = await recordingApp();
  const script = `process.on("SIGUSR2", () => setImmediate(() => { throw new Error("from nowhere"); }));`;
  await using daemon = await startDaemon({
    components: [everySecond()],
    flags,
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` },
  });
  await until(async () => (await events()).length > 0, { what: "a tick" });
  expect(await daemon.end("SIGUSR2")).toBe(70);
  expect(daemon.output()).toContain("a failure outside every component; shutting down");
  expect(daemon.output()).toContain("from nowhere");
  expect(daemon.output()).toMatch(/ shutdown complete$/m);
});

test("a blocked shutdown: inputs have ended, outputs go on, health says no, and it ends when the app goes", async () => {
  const { app, flags, folder, events } = await recordingApp();
  await using daemon = await startDaemon({
    components: [
      everySecond(),
      component("notes", "bindings.localstorage", `- {name: rootPath, value: "${folder}"}`),
    ],
    flags: [...flags, "--dapr-block-shutdown-duration", "600s"],
  });
  await until(async () => (await events()).length > 0, { what: "a tick" });
  const ended = daemon.end();
  await until(async () => (await health(daemon)) === 500, { what: "health to say no" });
  const before = (await events()).length;
  const response = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/notes`, {
    method: "POST",
    body: JSON.stringify({ operation: "create", data: "x", metadata: { fileName: "a" } }),
  });
  expect(response.status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect((await events()).length).toBe(before);
  expect(daemon.process.exitCode).toBe(null);
  await app.kill();
  expect(await ended).toBe(0);
});

describeWith(["kafka", "rabbitmq"], ({ kafka, rabbitmq }) => {
  test(
    "what the app has accepted is confirmed before the end: no event comes twice",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("shutdown");
      await kafka.createTopic(topic, 3);
      const { flags, events } = await recordingApp();
      const components: ComponentYaml[] = [
        {
          name: "orders",
          type: "bindings.kafka",
          metadata: {
            ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
            ...{ initialOffset: "oldest", direction: "input" },
          },
        },
        {
          name: "jobs",
          type: "bindings.rabbitmq",
          metadata: {
            ...{ host: rabbitmq.url, queueName: topic, durable: "true", direction: "input" },
          },
        },
      ];
      await using toKafka = await kafkaProducer(kafka.brokers, topic);
      let sent = 0;
      const produce = async (count: number): Promise<void> => {
        await using toRabbitmq = await rabbitmqProducer(rabbitmq.url, topic);
        for (const end = sent + count; sent < end; sent++) {
          await toKafka.send(String(sent % 20), `k${sent}`);
          await toRabbitmq.send("", `r${sent}`);
        }
      };
      for (let round = 0; round < 2; round++) {
        await using daemon = await startDaemon({ components, flags });
        await until(async () => (await daemon.state("jobs")) === "running", { what: "it to run" });
        const producing = produce(150);
        const half = sent + 75;
        await until(() => sent >= half, { what: "half of the events" });
        expect(await daemon.end()).toBe(0);
        await producing;
      }
      await using daemon = await startDaemon({ components, flags });
      await until(async () => (await events()).length >= 2 * sent, {
        what: () => `all events:\n${daemon.output().slice(-2000)}`,
        within: 30_000,
      });
      const texts = (await events()).map(({ text }) => text);
      expect(new Set(texts).size).toBe(2 * sent);
      expect(texts).toHaveLength(2 * sent);
    },
  );
});
