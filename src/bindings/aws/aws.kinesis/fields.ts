import { BindingError } from "../../../errors.ts";
import { duration, oneOf, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { awsFields, regionField } from "../fields.ts";
import { checkMetadata } from "../settings.ts";

export const kinesisFields = {
  streamName: string({
    description: "The stream's name.",
    required: true,
    example: "orders",
  }),
  consumerName: string({
    description:
      "The name of the consumer, required for an input, and of its lease table in DynamoDB. Readers with the same name share the stream's shards. Each stream needs one of its own.",
    direction: "input",
    example: "shop",
  }),
  mode: string({
    description:
      "`shared`: shards are polled, and share their throughput with all that read them. `extended` (enhanced fan-out): a consumer of the stream is registered by the name `consumerName`, and what comes is pushed. Both have leases in the lease table.",
    default: "shared",
    direction: "input",
  }),
  partitionKey: string({
    description:
      "The partition key of records whose call names none. Default: a random one for each record. Dapr documents the field and does not read it.",
    direction: "output",
    example: "orders",
  }),
  ...regionField,
  ...awsFields,
  dynamodbEndpoint: string({
    description:
      "The base URL of DynamoDB, where that is another than `endpoint`. Default: `endpoint`, as with Dapr. Dapr has no such field.",
    direction: "input",
    example: "http://localhost:8000",
  }),
  initialPosition: oneOf(["newest", "oldest"], {
    description:
      "Where a consumer without leases begins: with what comes from then on, or with the oldest record that the stream keeps. Dapr has no such field, and begins with the newest.",
    default: "newest",
    direction: "input",
  }),
  leaseDuration: duration({
    description:
      "How long the shards of a reader that has gone are left alone, from `1s` to `5m`. A lease is renewed each quarter of that. Dapr has no such field: 10 s.",
    default: "10s",
    positive: true,
    direction: "input",
  }),
  pollInterval: duration({
    description:
      "How long a reader waits after it has read a shard to its end, from `200ms` to `1m`. Kinesis allows five requests a second to a shard, of all consumers together. Dapr has no such field: 1 s.",
    default: "1s",
    positive: true,
    direction: "input",
  }),
} as const;

export type KinesisMetadata = Values<typeof kinesisFields>;

export const createFields = {
  partitionKey: string({
    description:
      "The record's partition key, 1 to 256 characters: records with the same key stay in order. Default: the component's, else a random one.",
    example: "customer-17",
  }),
} as const;

/** Throws a `BindingError` for settings that cannot be used. */
export function checkSettings(metadata: KinesisMetadata): void {
  checkMetadata(metadata);
  const { streamName, consumerName, mode, partitionKey, leaseDuration, pollInterval } = metadata;
  if (!/^[\w.-]{1,128}$/.test(streamName)) {
    const name = JSON.stringify(streamName);
    throw invalid(
      `streamName ${name} is no name of a stream: letters, digits, "_", "-" and "."; an ARN is none`,
    );
  }
  if (consumerName && !/^[\w.-]{3,255}$/.test(consumerName)) {
    const name = JSON.stringify(consumerName);
    throw invalid(
      `consumerName ${name} is no name of a table: 3 to 255 letters, digits, "_", "-" and "."`,
    );
  }
  if (partitionKey) checkPartitionKey(partitionKey);
  if (mode !== "" && mode !== "shared" && mode !== "extended")
    throw invalid(`aws.kinesis invalid "mode" field ${mode}`);
  if (leaseDuration < 1_000 || leaseDuration > 300_000)
    throw invalid("leaseDuration must be from 1s to 5m");
  if (pollInterval < 200 || pollInterval > 60_000)
    throw invalid("pollInterval must be from 200ms to 1m");
}

export function checkPartitionKey(key: string): void {
  // Kinesis counts characters, not halves of them.
  if (key.replaceAll(/[\ud800-\udbff][\udc00-\udfff]/g, "x").length > 256)
    throw invalid("partitionKey is longer than the 256 characters that Kinesis takes");
}

function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", why, { effect: "unsent" });
}
