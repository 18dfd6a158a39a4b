import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { refreshInterval } from "../../../src/bindings/kafka/client.ts";
import kafka from "../../../src/bindings/kafka/index.ts";
import { partitionFor } from "../../../src/bindings/kafka/partitioner.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { reservePort } from "../../servers/ports.ts";
import { Topics } from "./topics.ts";
import { openComponent, recordsOf, textOf, until } from "./component.ts";

describeWith("kafka", (server) => {
  const { brokers } = server;

  async function topicOf(partitions = 1): Promise<string> {
    const topic = uniqueName("orders");
    await server.createTopic(topic, partitions);
    return topic;
  }

  test("create writes the bytes as they are, and what it reads comes back whole", async () => {
    const topic = await topicOf();
    const component = await openComponent({
      brokers,
      topics: topic,
      publishTopic: topic,
      consumerGroup: topic,
    });
    const read = await component.read();
    const large = Buffer.alloc(1 << 20, 0xfe).subarray(0, (1 << 20) - 200);
    await component.create(Buffer.from([0xff, 0x00, 0x80]), { partitionKey: "k", "x-1": "ü" });
    await component.create(new Uint8Array(), {});
    await component.create(large, {});
    await until(() => read.events.length === 3);
    const [first, empty, big] = read.events;
    expect(first?.data).toEqual(Buffer.from([0xff, 0x00, 0x80]));
    expect(first?.metadata).toMatchObject({
      __key: "k",
      __topic: topic,
      __partition: "0",
      __offset: "0",
    });
    expect(Math.abs(Number(first?.metadata["__timestamp"]) - Date.now())).toBeLessThan(60_000);
    expect(first?.headers).toEqual([
      { name: "partitionKey", value: Buffer.from("k") },
      { name: "x-1", value: Buffer.from("ü") },
    ]);
    expect(empty?.data).toHaveLength(0);
    expect(Buffer.compare(large, big?.data ?? Buffer.alloc(0))).toBe(0);
  });

  test.each([
    ["no data", undefined, "bytes"],
    ["JSON's null", "null", "json"],
    ["the text null", "null", "bytes"],
  ] as const)("%s is a tombstone", async (_, data, encoding) => {
    const topic = await topicOf();
    const component = await openComponent({
      brokers,
      topics: topic,
      publishTopic: topic,
      consumerGroup: topic,
    });
    const read = await component.read();
    await component.create(data, { partitionKey: "gone" }, { encoding });
    await until(() => read.events.length === 1);
    expect(read.events[0]?.data).toBeUndefined();
    const [record] = await recordsOf(brokers, topic, 1);
    // The driver's stream says undefined for null, and an empty buffer for empty.
    expect(record).toBeDefined();
    expect(record?.value).toBeUndefined();
  });

  test("chooses the partition as Dapr does: by number, by key, or any", async () => {
    const topic = await topicOf(7);
    const component = await openComponent(
      { brokers, publishTopic: topic },
      { directions: { input: false, output: true } },
    );
    const keys = ["", "a", "foobar", "order-1", "ключ"];
    for (const key of keys) await component.create(key, { partitionKey: key });
    await component.create("by __key", { __key: "foobar" });
    await component.create("by number", { partitionKey: "foobar", partitionNumber: "5" });
    for (let i = 0; i < 60; i++) await component.create("any", {});
    const records = await recordsOf(brokers, topic, keys.length + 62);
    for (const key of keys) {
      const found =
        records.find(({ value }) => value.toString() === key && key !== "") ??
        records.find(({ value }) => value.length === 0);
      expect([key, found?.partition]).toEqual([key, partitionFor(Buffer.from(key), 7)]);
      expect(found?.key.toString()).toBe(key);
    }
    expect(records.find(({ value }) => value.toString() === "by __key")?.partition).toBe(4);
    expect(records.find(({ value }) => value.toString() === "by number")?.partition).toBe(5);
    const any = records.filter(({ value }) => value.toString() === "any");
    expect(new Set(any.map(({ partition }) => partition)).size).toBeGreaterThan(3);
    expect(any.every(({ key }) => key === undefined)).toBe(true);
  });

  test.each([
    ["-1", "invalid_argument", /partitionNumber must be non-negative/],
    ["x", "invalid_argument", /invalid partitionNumber metadata value "x"/],
    ["2", "invalid_argument", /partition number 2 is out of range, topic has 2 partitions/],
  ])("refuses partition number %s", async (partitionNumber, reason, message) => {
    const topic = await topicOf(2);
    const component = await openComponent({ brokers, publishTopic: topic });
    await expect(component.create("x", { partitionNumber })).rejects.toMatchObject({
      reason,
      effect: "rejected",
      message: expect.stringMatching(message),
    });
  });

  test("leaves out headers that excludeHeaderMetaRegex matches, both ways", async () => {
    const topic = await topicOf();
    const all = await openComponent(
      { brokers, publishTopic: topic },
      { directions: { input: false, output: true } },
    );
    const some = await openComponent({
      brokers,
      topics: topic,
      publishTopic: topic,
      consumerGroup: topic,
      initialOffset: "oldest",
      excludeHeaderMetaRegex: "(?i)^trace",
    });
    await all.create("1", { TraceParent: "a", other: "b" });
    await some.create("2", { traceparent: "a", other: "b" });
    const read = await some.read();
    await until(() => read.events.length === 2);
    expect(read.events.map(({ headers }) => headers.map(({ name }) => name))).toEqual([
      ["other"],
      ["other"],
    ]);
    const records = await recordsOf(brokers, topic, 2);
    expect(records.map(({ headers }) => [...headers.keys()].map(String))).toEqual([
      ["TraceParent", "other"],
      ["other"],
    ]);
  });

  test.each(["none", "gzip", "snappy", "lz4", "zstd"])(
    "compresses by %s, and reads it again",
    async (compression) => {
      const topic = await topicOf();
      const component = await openComponent({
        brokers,
        topics: topic,
        publishTopic: topic,
        consumerGroup: topic,
        compression,
      });
      const read = await component.read();
      const texts = Array.from({ length: 200 }, (_, i) => `${i}: ${"the same words ".repeat(20)}`);
      await Promise.all(texts.map((text) => component.create(text, { partitionKey: "k" })));
      await until(() => read.events.length === texts.length);
      expect(read.texts).toEqual(texts);
    },
  );

  test.each(["all", "local", "none"])(
    "writes with acks of %s, in order",
    async (producerRequiredAcks) => {
      const topic = await topicOf();
      const component = await openComponent(
        { brokers, publishTopic: topic, producerRequiredAcks },
        { directions: { input: false, output: true } },
      );
      const texts = Array.from({ length: 500 }, (_, i) => String(i));
      await Promise.all(texts.map((text) => component.create(text)));
      const records = await recordsOf(brokers, topic, texts.length);
      expect(records.map(({ value }) => value.toString())).toEqual(texts);
    },
  );

  test("a message that is too large is refused by us, or by the broker, and takes no other with it", async () => {
    const topic = await topicOf();
    const small = await openComponent({ brokers, publishTopic: topic, maxMessageBytes: "1000" });
    await expect(small.create(Buffer.alloc(1000))).rejects.toMatchObject({
      reason: "resource_exhausted",
      effect: "rejected",
      message: expect.stringMatching(/MaxMessageBytes: \d+ > 1000\); raise maxMessageBytes/),
    });
    const generous = await openComponent({
      brokers,
      publishTopic: topic,
      maxMessageBytes: "5000000",
    });
    const results = await Promise.allSettled([
      generous.create("before"),
      generous.create(Buffer.alloc(2_000_000)),
      generous.create("after"),
      generous.create(Buffer.alloc(600_000)),
      generous.create(Buffer.alloc(600_000)),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
      "fulfilled",
    ]);
    expect(results[1]).toMatchObject({
      reason: { reason: "resource_exhausted", effect: "rejected", systemCode: "MESSAGE_TOO_LARGE" },
    });
    await generous.create("later");
    const records = await recordsOf(brokers, topic, 5);
    expect(records.map(({ value }) => value.length)).toEqual([6, 5, 600_000, 600_000, 5]);
  });

  test("writes by the latest schema of the registry where valueSchemaType says avro", async () => {
    const topic = await topicOf();
    const server = createServer((request, response) => {
      const found = request.url === `/subjects/${topic}-value/versions/latest`;
      response.writeHead(found ? 200 : 404).end(
        JSON.stringify({
          id: 7,
          schema: '{"type":"record","name":"R","fields":[{"name":"n","type":"int"}]}',
        }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const schemaRegistryURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const component = await openComponent({ brokers, publishTopic: topic, schemaRegistryURL });
    await component.create('{"n":3}', { ValueSchemaType: "AVRO" });
    await component.create('{"n":3}', { valueSchemaType: "none" });
    await expect(component.create("{}", { valueSchemaType: "json" })).rejects.toMatchObject({
      reason: "invalid_argument",
    });
    const records = await recordsOf(brokers, topic, 2);
    expect([...(records[0]?.value ?? [])]).toEqual([0, 0, 0, 0, 7, 6]);
    expect(records[1]?.value.toString()).toBe('{"n":3}');
  });

  test("without publishTopic create says what is missing; without topics nothing is read", async () => {
    const component = await openComponent({ brokers });
    await expect(component.create("x")).rejects.toMatchObject({
      reason: "failed_precondition",
      message: "kafka error: missing 'publishTopic' attribute",
    });
    const read = await component.read();
    expect(component.log).toContainEqual(
      expect.objectContaining({ level: "warn", message: expect.stringContaining("no topics") }),
    );
    await read.close();
  });

  test("a topic that is not there yet is made by the first message, and by nothing before it", async () => {
    const topic = uniqueName("fresh");
    const component = await openComponent({ brokers, publishTopic: topic });
    await component.ping();
    expect(await new Topics(server).names()).not.toContain(topic);
    await component.create("x");
    expect((await recordsOf(brokers, topic, 1)).map(({ value }) => value.toString())).toEqual([
      "x",
    ]);
  });

  test("a cancelled call is not sent", async () => {
    const topic = await topicOf();
    const component = await openComponent({ brokers, publishTopic: topic });
    await expect(component.create("x", {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      reason: "cancelled",
      effect: "unsent",
    });
    await component.create("y");
    expect((await recordsOf(brokers, topic, 1)).map(({ value }) => value.toString())).toEqual([
      "y",
    ]);
  });

  test("answers a ping, and tells how much waits", async () => {
    const topic = await topicOf(2);
    const component = await openComponent({
      brokers,
      topics: topic,
      publishTopic: topic,
      consumerGroup: topic,
    });
    await component.ping();
    expect(await component.backlog()).toBe(0);
    const read = await component.read((event) => textOf(event) !== "stuck");
    for (const text of ["a", "stuck", "b", "c"])
      await component.create(text, { partitionNumber: "0" });
    await until(() => read.handled.length === 3);
    await read.reader?.flush();
    expect(await component.backlog()).toBe(1);
  });
});

test("open says quickly that no broker answers", async () => {
  const brokers = `127.0.0.1:${await reservePort()}`;
  const began = performance.now();
  await expect(openComponent({ brokers, publishTopic: "x" })).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message: expect.stringMatching(new RegExp(`could not connect to ${brokers}: .*ECONNREFUSED`)),
  });
  expect(performance.now() - began).toBeLessThan(5000);
});

test("open ends when it is cancelled", async () => {
  const server = (await import("node:net")).createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const brokers = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(
    openComponent({ brokers }, { signal: AbortSignal.timeout(100) }),
  ).rejects.toMatchObject({ reason: "cancelled" });
});

test("open refuses topics without a group, and an expression that is none", async () => {
  await expect(openComponent({ brokers: "127.0.0.1:1", topics: "x" })).rejects.toThrow(
    /without consumerGroup/,
  );
  await expect(
    openComponent({ brokers: "127.0.0.1:1", excludeHeaderMetaRegex: "(" }),
  ).rejects.toThrow(/excludeHeaderMetaRegex/);
});

test("topics are looked at each minute, or as often as Dapr's field says", () => {
  const interval = (properties: Record<string, string>): number =>
    refreshInterval(parseFields(kafka.metadata, { brokers: "x:1", ...properties }).values);
  const clientConnectionTopicMetadataRefreshInterval = "8m";
  expect(interval({})).toBe(60_000);
  expect(interval({ clientConnectionTopicMetadataRefreshInterval })).toBe(480_000);
});

test("names the likely cause where a connection is cut again and again", () => {
  const cause = (properties: Record<string, string>): string | undefined =>
    kafka.cutCause?.(parseFields(kafka.metadata, { brokers: "x:1", ...properties }).values);
  expect(cause({ topics: "orders", consumerGroup: "shop" })).toMatch(/group shop .*sessionTimeout/);
  expect(cause({ publishTopic: "orders" })).toMatch(/^a broker closes/);
});

test("turns Dapr's retry fields into policies", () => {
  const policies = (properties: Record<string, string>): unknown[] => {
    const { values } = parseFields(kafka.metadata, { brokers: "x:1", ...properties });
    return [kafka.retry?.inbound?.(values), kafka.retry?.outbound?.(values)];
  };
  expect(policies({})).toEqual([{}, expect.objectContaining({ attempts: 6, initial: 100 })]);
  expect(policies({ consumeRetryEnabled: "true", producerRetryMax: "0" })).toEqual([
    expect.objectContaining({ attempts: Infinity, initial: 5000, multiplier: 1 }),
    expect.objectContaining({ attempts: 1 }),
  ]);
});
