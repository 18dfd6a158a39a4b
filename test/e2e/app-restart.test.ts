import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type ComponentYaml } from "./daemon.ts";
import { kafkaProducer, mqttProducer, rabbitmqProducer, type Producer } from "./producers.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-restart-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

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
