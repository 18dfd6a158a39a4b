import { randomUUID } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import type { Reader } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { checkPartitionKey, checkSettings, createFields, kinesisFields } from "./fields.ts";
import { LeaseTable } from "./lease-table.ts";
import { Stream } from "./stream.ts";
import { StreamReader } from "./stream-reader.ts";

type Connection = AsyncDisposable & {
  readonly stream: Stream;
  /** Absent: there is no consumer. */
  readonly table: LeaseTable | undefined;
};

/** Reads a stream of Amazon Kinesis, and puts records into it. */
export default defineBinding({
  name: "aws.kinesis",
  status: "beta",
  summary:
    "Reads an Amazon Kinesis data stream, sharing its shards with other readers, and puts records into it.",
  provedBy: [
    { system: "moto", kind: "emulator" },
    { system: "kinesalite", kind: "emulator" },
    { system: "Kinesis' enhanced fan-out", kind: "stand-in" },
  ],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  metadata: kinesisFields,

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, directions, memory, driver, hide, signal }): Promise<Connection> {
    checkSettings(metadata);
    const { streamName, consumerName, dynamodbEndpoint } = metadata;
    const opening = { metadata, memory, driver, ...(hide ? { hide } : {}) };
    const stream = await Stream.open(streamName, opening);
    try {
      const endpoint = dynamodbEndpoint || metadata.endpoint;
      const table =
        directions.input && consumerName
          ? await LeaseTable.open(consumerName, { ...opening, metadata: { ...metadata, endpoint } })
          : undefined;
      await stream.probe(signal);
      return {
        stream,
        table,
        async [Symbol.asyncDispose]() {
          await Promise.all([stream[Symbol.asyncDispose](), table?.[Symbol.asyncDispose]()]);
        },
      };
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Puts the data into the stream as one record.",
      request: createFields,
      async invoke({ stream }, { data, request, metadata, signal }) {
        const key = request.partitionKey || metadata.partitionKey || randomUUID();
        checkPartitionKey(key);
        await stream.put(data ?? new Uint8Array(), key, signal);
      },
    },
  },

  eventMetadata: {
    streamName: "The stream.",
    shardId: "The shard.",
    sequenceNumber: "The record's number.",
    partitionKey: "Its partition key.",
    subSequenceNumber: "Its number in an aggregated record.",
    approximateArrivalTimestamp: "When it was stored.",
  },

  guarantee: {
    returned: "stays in its shard: the checkpoint does not pass it",
    atLeastOnce: "the stream keeps the records: 24 hours unless it is set otherwise",
    key: "the record's partition key",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and what was handled since the last checkpoint, once a second (50/s: 164)",
      server:
        "what the app has when a lease cannot be renewed in time: `maxInFlight` (64); 164 if the process ends before a checkpoint is written",
    },
  },

  returnsSingly: false,

  async read({ stream, table }, reading) {
    if (table === undefined) {
      const text = "consumerName is not set, so nothing is read; set it, or direction: output";
      reading.logger.warn({}, text);
      reading.report?.(text, false);
      return silent;
    }
    const reader = new StreamReader(stream, table, reading);
    try {
      await reader.start();
    } catch (error) {
      await reader.stop();
      await reader.close();
      throw error;
    }
    return reader;
  },

  async ping({ stream }, signal) {
    await stream.probe(signal);
  },

  async examine({ stream }, { signal, directions, ask }) {
    await ask("authenticated", "", () => {});
    await ask("exists", `stream ${stream.name}`, () => stream.describe(signal));
    if (directions.input)
      await ask("may read", "ListShards", async () => {
        await stream.shards(signal);
      });
  },
});

const silent: Reader = { stop() {}, flush() {}, close() {} };
