import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type ComponentYaml } from "./daemon.ts";
import { kafkaProducer, mqttProducer, rabbitmqProducer, type Producer } from "./producers.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-absent-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tick = { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 200ms" } };

const events = 2000;
const perSecond = 250;

type Source = { component: ComponentYaml; producer: () => Promise<Producer> };

/** The app is killed 2.5 s into the stream and comes back after another 2.5 s; each number is accepted in the end. */
async function acceptedOf(source: Source): Promise<number> {
  const { component } = source;
  const port = await reservePort();
  const file = join(folder, component.name);
  const app = { port, file, bindings: [component.name] };
  let running = await startApp(app);
  await using daemon = await startDaemon({
    components: [component],
    flags: ["--app-port", String(port), "--app-protocol", "grpc"],
  });
  await until(async () => (await daemon.state(component.name)) === "running", {
    what: () => `${component.name} to run:\n${daemon.output()}`,
    within: 30_000,
  });
  await using producer = await source.producer();
  const started = Date.now();
  for (let number = 0; number < events; number++) {
    const due = started + (number * 1000) / perSecond;
    if (due > Date.now()) await new Promise((resolve) => setTimeout(resolve, due - Date.now()));
    await producer.send(String(number % 10), String(number));
    if (number === 2.5 * perSecond) await running.kill();
    if (number === 5 * perSecond) running = await startApp(app);
  }
  const accepted = async (): Promise<Set<string>> =>
    new Set(
      (await recorded(file))
        .filter(({ verdict }) => verdict === "accepted")
        .map(({ text }) => text),
    );
  await until(async () => (await accepted()).size === events, {
    what: () => `all numbers to be accepted; the daemon said:\n${daemon.output().slice(-3000)}`,
    within: 40_000,
  }).finally(() => running.kill());
  return (await accepted()).size;
}

// While the late apps are waited for, the others run one after another.
describe.concurrent("an app that is not there yet, or not any more", () => {
  test.each([0, 1, 5, 30])(
    "an app that starts %i s late gets its events",
    { timeout: 60_000 },
    async (late) => {
      const port = await reservePort();
      const file = join(folder, `late-${late}`);
      await using daemon = await startDaemon({
        components: [tick],
        flags: ["--app-port", String(port), "--app-protocol", "grpc"],
      });
      expect(await daemon.state("tick")).toBe("waiting for app");
      await new Promise((resolve) => setTimeout(resolve, late * 1000));
      const app = await startApp({ port, file, bindings: ["tick"] });
      await until(async () => (await recorded(file)).length > 0, {
        what: () => `a tick; the daemon said:\n${daemon.output()}`,
      }).finally(() => app.kill());
      await until(async () => (await daemon.state("tick")) === "waiting for app", {
        what: "the state to tell that the app is gone",
      });
      expect(daemon.process.exitCode).toBeNull();
    },
  );

  describe("one after another", { concurrent: false }, () => {
    test("SIGTERM ends it with 0 while an app is connected", async () => {
      const port = await reservePort();
      const file = join(folder, "term");
      const app = await startApp({ port, file, bindings: ["tick"] });
      await using daemon = await startDaemon({
        components: [tick],
        flags: ["--app-port", String(port), "--app-protocol", "grpc"],
      });
      await until(async () => (await recorded(file)).length > 0, { what: "a tick" });
      expect(await daemon.end()).toBe(0);
      await app.kill();
    });

    describeWith("kafka", (kafka) => {
      test("an app restart loses nothing from Kafka", { timeout: 90_000 }, async () => {
        const topic = uniqueName("restart");
        await kafka.createTopic(topic, 3);
        const accepted = await acceptedOf({
          component: {
            name: "orders",
            type: "bindings.kafka",
            metadata: {
              brokers: kafka.brokers,
              topics: topic,
              consumerGroup: topic,
              authType: "none",
              initialOffset: "oldest",
              direction: "input",
            },
          },
          producer: () => kafkaProducer(kafka.brokers, topic),
        });
        expect(accepted).toBe(events);
      });
    });

    describeWith("rabbitmq", (rabbitmq) => {
      test("an app restart loses nothing from RabbitMQ", { timeout: 90_000 }, async () => {
        const queueName = uniqueName("restart");
        const accepted = await acceptedOf({
          component: {
            name: "jobs",
            type: "bindings.rabbitmq",
            metadata: { host: rabbitmq.url, queueName, durable: "true" },
          },
          producer: () => rabbitmqProducer(rabbitmq.url, queueName),
        });
        expect(accepted).toBe(events);
      });
    });

    describeWith("mosquitto", (mosquitto) => {
      test("an app restart loses nothing from MQTT", { timeout: 90_000 }, async () => {
        const topic = uniqueName("restart");
        const accepted = await acceptedOf({
          component: {
            name: "sensors",
            type: "bindings.mqtt3",
            metadata: { url: mosquitto.url, topic, consumerID: topic },
          },
          producer: () => mqttProducer(mosquitto.url, topic),
        });
        expect(accepted).toBe(events);
      });
    });

    describeWith("redis", { own: true, started: false }, (redis) => {
      test("an output whose server is down at start waits visibly and works once it comes", async () => {
        await using daemon = await startDaemon({
          components: [
            {
              name: "cache",
              type: "bindings.redis",
              metadata: { redisHost: `${redis.host}:${redis.port}`, readiness: "required" },
            },
          ],
        });
        expect(await daemon.state("cache")).toBe("reconnecting");
        const health = async (path: string): Promise<number> =>
          (await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/healthz${path}`)).status;
        // It was never up, and is required all the same; liveness has no part in it.
        expect([await health(""), await health("/ready")]).toEqual([204, 503]);
        await redis.start();
        await until(async () => (await daemon.state("cache")) === "running", {
          what: () => daemon.output(),
          within: 20_000,
        });
        expect(await health("/ready")).toBe(204);
        const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/cache`, {
          method: "POST",
          body: '{"operation":"create","data":"x","metadata":{"key":"k"}}',
        });
        expect(answer.status).toBe(204);
      });
    });
  });
});
