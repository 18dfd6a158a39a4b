import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type ComponentYaml, type Daemon } from "./daemon.ts";
import { kafkaProducer, rabbitmqProducer, type Producer } from "./producers.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-killed-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function startFor(component: ComponentYaml, appPort: number): Promise<Daemon> {
  const flags = ["--app-port", String(appPort), "--app-protocol", "grpc"];
  return startDaemon({ components: [component], flags });
}

async function untilRunning(daemon: Daemon, component: string): Promise<void> {
  await until(async () => (await daemon.state(component)) === "running", {
    what: () => `${component} to run:\n${daemon.output()}`,
    within: 30_000,
  });
}

/**
 * The app is killed while it has an event, and another app comes. Resolves to what became of the three
 * events, as `text verdict attempt`.
 */
async function killInTheMiddle(
  component: ComponentYaml,
  open: () => Promise<Producer>,
): Promise<string[]> {
  const port = await reservePort();
  const file = join(folder, `app-${component.name}`);
  const bindings = [component.name];
  const hanging = await startApp({ port, file, bindings, behaviour: "hang:poison" });
  onTestFinished(() => hanging.kill());
  await using daemon = await startFor(component, port);
  await untilRunning(daemon, component.name);
  await using producer = await open();
  await producer.send("a", "before");
  await producer.send("b", "poison");
  await producer.send("c", "after");
  const lines = async (verdict: string): Promise<string[]> =>
    (await recorded(file)).filter((line) => line.verdict === verdict).map(({ text }) => text);
  // The others do not wait for it.
  const others = async (): Promise<boolean> =>
    (await lines("accepted")).toSorted().join() === "after,before";
  const taken = async (): Promise<boolean> =>
    (await lines("received")).length === 1 && (await others());
  await until(taken, { what: () => `the event to be with the app:\n${daemon.output()}` });
  await hanging.kill();
  await until(async () => (await daemon.state(component.name)) === "waiting for app", {
    what: () => `the daemon to see that the app is gone:\n${daemon.output()}`,
  });
  const next = await startApp({ port, file, bindings });
  onTestFinished(() => next.kill());
  await until(async () => (await lines("accepted")).includes("poison"), {
    what: () => `the event to be delivered again:\n${daemon.output()}`,
  });
  const told = (await recorded(file)).map(
    ({ verdict, text, attempt }) => `${text} ${verdict} ${attempt}`,
  );
  // An answer that the dying app did not send in time repeats its event.
  return [...new Set(told)].toSorted();
}

const events = 300;

/** The daemon is killed halfway through the stream and another one takes over. Resolves to how many events the app accepted. */
async function killTheDaemon(
  component: ComponentYaml,
  open: () => Promise<Producer>,
): Promise<number> {
  const port = await reservePort();
  const file = join(folder, `daemon-${component.name}`);
  const app = await startApp({ port, file, bindings: [component.name] });
  onTestFinished(() => app.kill());
  await using first = await startFor(component, port);
  await untilRunning(first, component.name);
  await using producer = await open();
  const accepted = async (): Promise<Set<string>> =>
    new Set(
      (await recorded(file)).filter((line) => line.verdict === "accepted").map(({ text }) => text),
    );
  const send = async (from: number, to: number): Promise<void> => {
    for (let number = from; number < to; number++)
      await producer.send(String(number % 7), String(number));
  };
  await send(0, events / 3);
  await until(async () => (await accepted()).size > 0, {
    what: () => `a first event:\n${first.output()}`,
  });
  const sending = send(events / 3, events);
  await first.end("SIGKILL");
  await sending;
  expect((await accepted()).size).toBeLessThan(events);
  await using second = await startFor(component, port);
  await until(async () => (await accepted()).size === events, {
    what: () => `all to be accepted:\n${second.output().slice(-3000)}`,
    within: 60_000,
  });
  return (await accepted()).size;
}

/** The request was written and its stream broke: that was an attempt. Nothing else was lost, or waited for it. */
const outcome = ["after accepted 1", "before accepted 1", "poison accepted 2", "poison received 1"];

describeWith("rabbitmq", (rabbitmq) => {
  const jobs = (): [ComponentYaml, () => Promise<Producer>] => {
    const queueName = uniqueName("killed");
    const metadata = { host: rabbitmq.url, queueName, durable: "true" };
    const producer = () => rabbitmqProducer(rabbitmq.url, queueName);
    return [{ name: "jobs", type: "bindings.rabbitmq", metadata }, producer];
  };

  test(
    "RabbitMQ: an event that the app died with is delivered again",
    { timeout: 60_000 },
    async () => {
      expect(await killInTheMiddle(...jobs())).toEqual(expect.arrayContaining(outcome));
    },
  );

  test("RabbitMQ: a daemon killed in the middle loses nothing", { timeout: 120_000 }, async () => {
    expect(await killTheDaemon(...jobs())).toBe(events);
  });
});

describeWith("kafka", (kafka) => {
  const orders = async (): Promise<[ComponentYaml, () => Promise<Producer>]> => {
    const topic = uniqueName("killed");
    await kafka.createTopic(topic, 3);
    const metadata = {
      brokers: kafka.brokers,
      topics: topic,
      consumerGroup: topic,
      authType: "none",
      initialOffset: "oldest",
      direction: "input",
    };
    const producer = () => kafkaProducer(kafka.brokers, topic);
    return [{ name: "orders", type: "bindings.kafka", metadata }, producer];
  };

  test(
    "Kafka: an event that the app died with is delivered again",
    { timeout: 60_000 },
    async () => {
      expect(await killInTheMiddle(...(await orders()))).toEqual(expect.arrayContaining(outcome));
    },
  );

  test("Kafka: a daemon killed in the middle loses nothing", { timeout: 120_000 }, async () => {
    expect(await killTheDaemon(...(await orders()))).toBe(events);
  });
});
