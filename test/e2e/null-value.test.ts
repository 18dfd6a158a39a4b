import { Producer } from "@platformatic/kafka";
import { expect, onTestFinished, test } from "vitest";
import { createFunctionApp } from "../../src/app/function.ts";
import kafkaBinding from "../../src/bindings/kafka/index.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { startRecordingApp, type Road } from "../golden/app.ts";
import { serveCufflink } from "../golden/cufflink.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { until } from "../until.ts";

const values = [undefined, Buffer.alloc(0), Buffer.from("x")];
const never = new AbortController().signal;

/** Writes a null, an empty and another value, in this order, as any other program would. */
async function write(brokers: string, topic: string): Promise<void> {
  const producer = new Producer({ clientId: "test", bootstrapBrokers: brokers.split(",") });
  const messages = values.map((value) => ({
    topic,
    key: Buffer.from("k"),
    ...(value && { value }),
  }));
  await producer.send({ messages, acks: -1 });
  await producer.close();
}

function metadataOf(brokers: string, topic: string, more: Record<string, string> = {}) {
  const reading = { topics: topic, consumerGroup: topic, initialOffset: "oldest" };
  return { brokers, authType: "none", direction: "input", ...reading, ...more };
}

describeWith("kafka", (kafka) => {
  test.each<[Road, Record<string, string>, string]>([
    ["http", {}, "null"],
    ["grpc", {}, "null"],
    ["http", { nullAs: "empty" }, ""],
    ["grpc", { nullAs: "empty" }, ""],
  ])("over %s with %j a null value is %j", async (road, fields, expected) => {
    const topic = uniqueName("nulls");
    await kafka.createTopic(topic, 1);
    await write(kafka.brokers, topic);
    await using app = await startRecordingApp(road, ["records"]);
    const metadata = metadataOf(kafka.brokers, topic, fields);
    await using _ = await serveCufflink([{ name: "records", type: "bindings.kafka", metadata }], {
      ...{ road, port: app.port },
    });
    await until(() => app.events.length === 3, { what: "three events", within: 20_000 });
    expect(app.events.map(({ body }) => body)).toEqual([expected, "", "x"]);
  });

  test("a dead letter keeps the null, and a redrive delivers it as before", async () => {
    const topic = uniqueName("nulls");
    await kafka.createTopic(topic, 1);
    await write(kafka.brokers, topic);
    let refuses = true;
    await using app = await startRecordingApp("grpc", ["records"], () => refuses);
    const store = new MemoryStore();
    const metadata = metadataOf(kafka.brokers, topic, { backOffMaxRetries: "0" });
    await using served = await serveCufflink(
      [{ name: "records", type: "bindings.kafka", metadata }],
      { road: "grpc", port: app.port },
      store,
    );
    await until(() => store.stored.size === 3, { what: "three dead letters", within: 20_000 });
    const deadLetters = [...store.stored.values()].map(({ deadLetter }) => deadLetter);
    expect(deadLetters.map(({ event }) => event.data?.toString())).toEqual([undefined, "", "x"]);
    refuses = false;
    const [deadLetter] = deadLetters;
    if (deadLetter === undefined) throw new Error("there is no dead letter");
    await served.runtime.redrive(deadLetter, never);
    expect(app.events.at(-1)).toMatchObject({ body: "null" });
  });

  test("an app in the same process is told that it is null", async () => {
    const topic = uniqueName("nulls");
    await kafka.createTopic(topic, 1);
    await write(kafka.brokers, topic);
    const seen: unknown[] = [];
    const runtime = createRuntime({
      ...{ appId: "shop", bindings: [kafkaBinding], logger: keepingLogger() },
      http: { listen: () => Promise.reject(new Error("nothing is served")) },
      app: createFunctionApp({
        onBindingEvent({ data }) {
          seen.push(data === undefined ? undefined : Buffer.from(data).toString());
        },
      }),
    });
    onTestFinished(() => runtime.close());
    const values = metadataOf(kafka.brokers, topic);
    await runtime.apply([
      {
        ...{ name: "records", type: "bindings.kafka", version: "v1", initTimeout: 5000 },
        ...{ origin: undefined, properties: [], resolve: async () => ({ values, secrets: [] }) },
      },
    ]);
    await until(() => seen.length === 3, { what: "three events", within: 20_000 });
    expect(seen).toEqual([undefined, "", "x"]);
  });

  test.each<Road>(["http", "grpc"])("an emitted event without data, over %s", async (road) => {
    await using app = await startRecordingApp(road, ["records", "tick"]);
    const topic = uniqueName("nulls");
    await kafka.createTopic(topic, 1);
    const reading = metadataOf(kafka.brokers, topic);
    await using served = await serveCufflink(
      [
        { name: "records", type: "bindings.kafka", metadata: reading },
        { name: "tick", type: "bindings.cron", metadata: { schedule: "0 0 1 1 *" } },
      ],
      { road, port: app.port },
    );
    await until(() => served.runtime.components().every(({ state }) => state === "running"), {
      ...{ what: "both inputs", within: 20_000 },
    });
    for (const name of ["records", "tick"])
      await served.runtime.emit(name, { data: undefined, metadata: {}, headers: [] }, never);
    expect(app.events.map(({ at, body }) => [at.replace("/", ""), body])).toEqual([
      ["records", "null"],
      // A source that knows no null has none to tell of.
      ["tick", ""],
    ]);
  });
});
