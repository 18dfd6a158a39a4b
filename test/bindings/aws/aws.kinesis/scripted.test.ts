// What no emulator can be made to answer with.
import { expect, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { scriptedService } from "../scripted-service.ts";
import { handle, textOf } from "./reading.ts";

const soon = { timeout: 20_000, interval: 5 };
const denied = "AccessDeniedException";
const shard = "shardId-000000000000";

type Script = Parameters<typeof scriptedService>[0];

const record = (sequence: number): object => ({
  ...{ SequenceNumber: String(sequence), PartitionKey: "k" },
  Data: Buffer.from(`r${sequence}`).toString("base64"),
});

/** One shard, and a lease table that takes everything. */
function place(script: Script = {}): Script {
  return {
    DescribeStreamSummary: () => ({}),
    ListShards: () => ({
      Shards: [{ ShardId: shard, SequenceNumberRange: { StartingSequenceNumber: "1" } }],
    }),
    GetShardIterator: (input) => ({
      ShardIterator: `after ${JSON.stringify(input["StartingSequenceNumber"])}`,
    }),
    GetRecords: (input) => ({
      Records: [],
      NextShardIterator: input["ShardIterator"],
      MillisBehindLatest: 0,
    }),
    DescribeTable: () => ({ Table: { TableStatus: "ACTIVE" } }),
    Scan: () => ({ Items: [{ ShardID: { S: shard }, Checkpoint: { S: "10" } }] }),
    UpdateItem: () => ({ Attributes: { ShardID: { S: shard }, Checkpoint: { S: "10" } } }),
    PutItem: () => ({}),
    ...script,
  };
}

const propertiesOf = (service: { readonly url: string }, more: Record<string, string> = {}) => ({
  ...emulatorLogin(service.url),
  ...{ streamName: "orders", consumerName: "shop", pollInterval: "200ms", ...more },
});

test("an iterator that has expired is asked for anew, behind the last record", async () => {
  const service = await scriptedService(
    place({
      GetRecords: (input, call) => {
        if (call === 2) return "ExpiredIteratorException";
        const Records = [[record(11)], [], [record(12)]][call - 1] ?? [];
        return { Records, NextShardIterator: input["ShardIterator"], MillisBehindLatest: 0 };
      },
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  expect([textOf(await input.next()), textOf(await input.next())]).toEqual(["r11", "r12"]);
  const asked = service.of("GetShardIterator").map(({ input }) => input["StartingSequenceNumber"]);
  expect(asked).toEqual(["10", "11"]);
});

test("a stream that throttles is asked after a pause", async () => {
  const service = await scriptedService(
    place({
      GetRecords: (input, call) =>
        call === 1
          ? "ProvisionedThroughputExceededException"
          : { Records: [record(11)], NextShardIterator: input["ShardIterator"] },
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  await input.next();
  const [first = 0, second = 0] = service.of("GetRecords").map(({ at }) => at);
  expect(second - first).toBeGreaterThan(700);
});

test("a shard is asked five times a second at most", async () => {
  let next = 11;
  const service = await scriptedService(
    place({
      GetRecords: (input) => ({
        Records: [record(next++)],
        NextShardIterator: input["ShardIterator"],
        MillisBehindLatest: 60_000,
      }),
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  for (let n = 0; n < 5; n++) handle(await input.next());
  const times = service.of("GetRecords").map(({ at }) => at);
  for (const [at, time] of times.slice(1).entries())
    expect(time - (times[at] ?? 0)).toBeGreaterThan(190);
});

test("a checkpoint that the stream does not know is read from the oldest record on", async () => {
  const service = await scriptedService(
    place({
      GetShardIterator: (input) =>
        "StartingSequenceNumber" in input
          ? "InvalidArgumentException"
          : { ShardIterator: "oldest" },
      GetRecords: () => ({ Records: [record(20)], NextShardIterator: "oldest" }),
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  expect(textOf(await input.next())).toBe("r20");
  expect(service.of("GetShardIterator").map(({ input }) => input["ShardIteratorType"])).toEqual([
    "AFTER_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
  ]);
});

test("a reader whose clock runs ahead begins with the newest", async () => {
  const service = await scriptedService(
    place({
      Scan: () => ({ Items: [{ ShardID: { S: shard } }] }),
      UpdateItem: () => ({ Attributes: { ShardID: { S: shard } } }),
      GetShardIterator: (input) =>
        "Timestamp" in input ? "InvalidArgumentException" : { ShardIterator: "newest" },
      GetRecords: () => ({ Records: [record(20)], NextShardIterator: "newest" }),
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  expect(textOf(await input.next())).toBe("r20");
  expect(service.of("GetShardIterator").at(-1)?.input).toMatchObject({
    ShardIteratorType: "LATEST",
  });
});

test("who may do no more than Dapr's reader needs, reads", async () => {
  const lease: Record<string, { S: string }> = { ShardID: { S: shard }, Checkpoint: { S: "10" } };
  const service = await scriptedService(
    place({
      DescribeStreamSummary: () => denied,
      DescribeTable: () => denied,
      Scan: () => denied,
      GetItem: () => ({ Item: lease }),
      GetRecords: (_input, call) => ({
        Records: call === 1 ? [record(11)] : [],
        NextShardIterator: "next",
      }),
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service));
  const event = await input.next();
  handle(event);
  await input.reader.flush();
  expect(service.of("UpdateItem").at(-1)?.input).toMatchObject({
    ExpressionAttributeValues: { ":newCheckpoint": { S: "11" } },
  });
  expect(service.of("Scan")).toHaveLength(1);
  expect(service.of("CreateTable")).toHaveLength(0);
});

test("a missing table is made as the library makes it", async () => {
  let isMade = false;
  const service = await scriptedService(
    place({
      DescribeTable: () =>
        isMade ? { Table: { TableStatus: "ACTIVE" } } : "ResourceNotFoundException",
      CreateTable: () => {
        isMade = true;
        return {};
      },
    }),
  );
  await openInput(kinesis, propertiesOf(service));
  expect(service.of("CreateTable").map(({ input }) => input)).toEqual([
    {
      TableName: "shop",
      AttributeDefinitions: [{ AttributeName: "ShardID", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "ShardID", KeyType: "HASH" }],
      ProvisionedThroughput: { ReadCapacityUnits: 10, WriteCapacityUnits: 10 },
    },
  ]);
});

test("a denied read loses the connection, and is not asked again and again", async () => {
  const service = await scriptedService(place({ GetRecords: () => denied }));
  const input = await openInput(kinesis, propertiesOf(service));
  expect(await input.lost).toMatchObject({ reason: "permission_denied" });
  await input.close();
  expect(service.of("GetRecords")).toHaveLength(1);
});

test("a lease that cannot be renewed ends: its events are revoked, and it is taken again", async () => {
  let isAway = false;
  const service = await scriptedService(
    place({
      UpdateItem: () =>
        isAway
          ? "InternalServerError"
          : { Attributes: { ShardID: { S: shard }, Checkpoint: { S: "10" } } },
      GetRecords: (input) => ({
        Records: input["ShardIterator"] === 'after "10"' ? [record(11), record(12)] : [],
        NextShardIterator: "after 12",
      }),
    }),
  );
  const input = await openInput(kinesis, propertiesOf(service, { leaseDuration: "1s" }));
  const [first, second] = [await input.next(), await input.next()];
  handle(second);
  isAway = true;
  await vi.waitFor(() => expect(first.revoked?.aborted).toBe(true), soon);
  first.settle({ outcome: "returned", reason: "revoked" });
  isAway = false;
  // The second one was handled already.
  expect(textOf(await input.next())).toBe("r11");
  expect(input.events.filter((event) => textOf(event) === "r12")).toHaveLength(1);
});

test("who may only put records, puts them; nothing is repeated", async () => {
  const service = await scriptedService({
    DescribeStreamSummary: () => denied,
    PutRecord: (_input, call) => (call === 1 ? {} : "InternalFailure"),
  });
  const properties = { ...emulatorLogin(service.url), streamName: "orders" };
  await using output = await openOutput(kinesis, properties);
  await output.ping();
  await output.invoke("create", { partitionKey: "k" }, { data: "x" });
  expect(service.of("PutRecord")[0]?.input).toEqual({
    ...{ StreamName: "orders", PartitionKey: "k", Data: Buffer.from("x").toString("base64") },
  });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous", systemCode: "InternalFailure" },
    message: expect.stringContaining("operation error Kinesis: PutRecord, ") as string,
  });
  expect(service.of("PutRecord")).toHaveLength(2);
});

test.each([
  ["ProvisionedThroughputExceededException", "resource_exhausted", "unsent"],
  ["ResourceNotFoundException", "not_found", "rejected"],
  ["InvalidArgumentException", "invalid_argument", "rejected"],
])("%s is %s, %s", async (code, reason, effect) => {
  const service = await scriptedService({
    DescribeStreamSummary: () => ({}),
    PutRecord: () => code,
  });
  const properties = { ...emulatorLogin(service.url), streamName: "orders" };
  await using output = await openOutput(kinesis, properties);
  const failed = output.invoke("create", {}, { data: "x" });
  await expect(failed).rejects.toMatchObject({ systemCode: code, reason, effect });
});

test("a key that is too long is refused before anything is sent", async () => {
  const service = await scriptedService({
    DescribeStreamSummary: () => ({}),
    PutRecord: () => ({}),
  });
  const properties = { ...emulatorLogin(service.url), streamName: "orders" };
  await using output = await openOutput(kinesis, properties);
  const long = output.invoke("create", { partitionKey: "😀".repeat(257) }, { data: "x" });
  await expect(long).rejects.toMatchObject({ reason: "invalid_argument", effect: "unsent" });
  await output.invoke("create", { partitionKey: "😀".repeat(256) }, { data: "x" });
  expect(service.of("PutRecord")).toHaveLength(1);
});

test.each<[Record<string, string>, string]>([
  [{ streamName: "or/ders" }, "is no name of a stream"],
  [{ consumerName: "x y" }, "is no name of a table"],
  [{ mode: "fast" }, `aws.kinesis invalid "mode" field fast`],
  [{ leaseDuration: "10m" }, "leaseDuration must be"],
  [{ pollInterval: "10ms" }, "pollInterval must be"],
])("%j is refused", async (more, why) => {
  const properties = propertiesOf({ url: "http://127.0.0.1:9" }, more);
  await expect(openInput(kinesis, properties)).rejects.toMatchObject({
    reason: "invalid_argument",
    message: expect.stringContaining(why) as string,
  });
});

test("without a consumer nothing is read, and nobody is asked", async () => {
  const service = await scriptedService(place());
  const input = await openInput(kinesis, propertiesOf(service, { consumerName: "" }));
  expect(input.logger.warn).toHaveBeenCalledOnce();
  expect(service.calls.map(({ operation }) => operation)).toEqual(["DescribeStreamSummary"]);
});
