import { expect } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import type { Source } from "../../contract.ts";
import { until } from "../../../until.ts";
import { emulatorClient, emulatorLogin } from "../emulator-client.ts";

type Server = { readonly url: string };

type ListedShard = {
  readonly ShardId: string;
  readonly ParentShardId?: string;
  readonly HashKeyRange: { readonly StartingHashKey: string; readonly EndingHashKey: string };
  readonly SequenceNumberRange: { readonly EndingSequenceNumber?: string };
};

export type LeaseItem = Readonly<Record<string, { readonly S: string } | undefined>>;

/** Another program's client of one stream, and of its consumer's lease table, that no other test has. */
export async function makeStream(server: Server, count = 1) {
  const kinesis = emulatorClient(server.url, "kinesis");
  const dynamodb = emulatorClient(server.url, "dynamodb");
  const name = uniqueName("orders")
    .replaceAll(/[^\w-]/g, "-")
    .slice(0, 100);
  const consumerName = `${name}-shop`;
  const call = <Answer>(operation: string, input: object = {}) =>
    kinesis<Answer>(`Kinesis_20131202.${operation}`, input);
  const table = <Answer>(operation: string, input: object = {}) =>
    dynamodb<Answer>(`DynamoDB_20120810.${operation}`, { TableName: consumerName, ...input });
  const shards = async (): Promise<readonly ListedShard[]> => {
    const { Shards } = await call<{ Shards: ListedShard[] }>("ListShards", { StreamName: name });
    return Shards;
  };
  /** Resolves once what was asked for is done. */
  const active = async (): Promise<void> => {
    type Answer = { StreamDescriptionSummary: { StreamStatus: string } };
    const isActive = async (): Promise<boolean> => {
      const answer = await call<Answer>("DescribeStreamSummary", { StreamName: name });
      return answer.StreamDescriptionSummary.StreamStatus === "ACTIVE";
    };
    await until(isActive, { what: `stream ${name}`, every: 5 });
  };
  let madeAt = 0;
  const create = async (): Promise<void> => {
    const second = (): number => Math.floor(Date.now() / 1000);
    // The emulator's sequence numbers begin with the second in which the stream was made.
    await until(() => second() > madeAt, { what: "the next second" });
    madeAt = second();
    await call("CreateStream", { StreamName: name, ShardCount: count });
    await active();
  };
  await create();
  let taken = 0;
  return {
    name,
    consumerName,
    call,
    table,
    create,
    properties: {
      ...emulatorLogin(server.url),
      ...{ streamName: name, consumerName, initialPosition: "oldest", pollInterval: "200ms" },
    },
    async put(
      data: Uint8Array | string,
      key = "all",
    ): Promise<{ shard: string; sequence: string }> {
      const answer = await call<{ ShardId: string; SequenceNumber: string }>("PutRecord", {
        StreamName: name,
        Data: Buffer.from(data).toString("base64"),
        PartitionKey: key,
      });
      return { shard: answer.ShardId, sequence: answer.SequenceNumber };
    },
    shards,
    /** Splits a shard in the middle of its keys. */
    async split(shard: string): Promise<void> {
      const found = (await shards()).find(({ ShardId }) => ShardId === shard);
      const { StartingHashKey = "0", EndingHashKey = "0" } = found?.HashKeyRange ?? {};
      const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n;
      const NewStartingHashKey = String(middle);
      await call("SplitShard", { StreamName: name, ShardToSplit: shard, NewStartingHashKey });
      await active();
    },
    /** Merges two neighbours. */
    async merge(shard: string, neighbour: string): Promise<void> {
      const both = { ShardToMerge: shard, AdjacentShardToMerge: neighbour };
      await call("MergeShards", { StreamName: name, ...both });
      await active();
    },
    /** What the lease table has, by shard. */
    async leases(): Promise<ReadonlyMap<string, LeaseItem>> {
      const { Items } = await table<{ Items: LeaseItem[] }>("Scan", { ConsistentRead: true });
      return new Map(Items.map((item) => [item["ShardID"]?.S ?? "", item]));
    },
    /** Makes the lease table, as vmware-go-kcl does. */
    async makeTable(): Promise<void> {
      await table("CreateTable", {
        AttributeDefinitions: [{ AttributeName: "ShardID", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "ShardID", KeyType: "HASH" }],
        ProvisionedThroughput: { ReadCapacityUnits: 10, WriteCapacityUnits: 10 },
      });
      const isActive = async (): Promise<boolean> => {
        const { Table } = await table<{ Table: { TableStatus: string } }>("DescribeTable");
        return Table.TableStatus === "ACTIVE";
      };
      await until(isActive, { what: `table ${consumerName}`, every: 5 });
    },
    async write(item: Readonly<Record<string, string>>): Promise<void> {
      const Item = Object.fromEntries(Object.entries(item).map(([name, S]) => [name, { S }]));
      await table("PutItem", { Item });
    },
    /** The records that were put since this was asked last. */
    async taken(): Promise<StreamRecord[]> {
      const all = await records();
      return all.slice(taken, (taken = all.length));
    },
    records,
  };

  /** All records of the stream. */
  async function records(): Promise<StreamRecord[]> {
    const all: StreamRecord[] = [];
    for (const { ShardId } of await shards()) {
      const { ShardIterator } = await call<{ ShardIterator: string }>("GetShardIterator", {
        ...{ StreamName: name, ShardId, ShardIteratorType: "TRIM_HORIZON" },
      });
      type Answer = { Records: { Data: string; PartitionKey: string }[] };
      const { Records } = await call<Answer>("GetRecords", { ShardIterator });
      for (const { Data, PartitionKey } of Records)
        all.push({ data: Buffer.from(Data, "base64"), key: PartitionKey });
    }
    return all;
  }
}

export type StreamRecord = { readonly data: Buffer; readonly key: string };

export type TestStream = Awaited<ReturnType<typeof makeStream>>;

export function kinesisSource(server: Server): Source {
  return {
    binding: kinesis,
    largest: 2 ** 20 - 64,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h"] },
    async place() {
      const stream = await makeStream(server);
      return {
        properties: stream.properties,
        async send(data, key) {
          await stream.put(data, key);
        },
        async sendMarked() {
          const { shard, sequence } = await stream.put("x", "grün");
          return ({ metadata, id }) => {
            expect(metadata).toMatchObject({
              ...{ streamName: stream.name, shardId: shard, sequenceNumber: sequence },
              partitionKey: "grün",
              approximateArrivalTimestamp: expect.stringMatching(/^\d{13}$/),
            });
            expect(id).toBe(`${shard}:${sequence}`);
          };
        },
      };
    },
  };
}
