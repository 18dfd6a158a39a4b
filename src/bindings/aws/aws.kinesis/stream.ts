import { BindingError } from "../../../errors.ts";
import { jsonMembers } from "../../../http-client/service-client.ts";
import { AwsClient } from "../client.ts";
import type { AwsOpening } from "../client.ts";
import { awsFailure } from "../failures.ts";
import { exchangeOverHttp2 } from "../http2-exchange.ts";
import { trustOf } from "../settings.ts";
import { messagesOf } from "./event-stream.ts";

export type Shard = {
  readonly id: string;
  /** Those that it was made of: one that was split, or two that were merged. */
  readonly parents: readonly string[];
  /** No record of it has a lower sequence number. */
  readonly first: string;
  /** No more records come. */
  readonly isClosed: boolean;
};

export type KinesisRecord = {
  readonly sequence: string;
  readonly key: string;
  readonly data: Buffer;
  /** In milliseconds since 1970, where the service says it. */
  readonly arrived: number | undefined;
};

/** Where reading a shard begins. */
export type Position =
  | { readonly after: string }
  | { readonly at: number }
  | "TRIM_HORIZON"
  | "LATEST";

export type Fetched = {
  readonly records: readonly KinesisRecord[];
  /** Absent: the shard has ended. */
  readonly next: string | undefined;
  /** Milliseconds that the last record is behind the newest one. */
  readonly behind: number;
};

/** What a subscription brings. */
export type Subscribed = Pick<Fetched, "records"> & {
  /** Up to here there is nothing more than what came; absent: the shard has ended. */
  readonly reached: string | undefined;
};

const service = { id: "Kinesis", host: "kinesis" } as const;
/** Ten MiB of records in base64, and what surrounds ten thousand of them. */
const largestAnswer = 32 * 1024 * 1024;

/** One stream, and the calls that it takes. */
export class Stream implements AsyncDisposable {
  readonly name: string;
  readonly #client: AwsClient;
  readonly #trust: Trust;

  private constructor(name: string, client: AwsClient, trust: Trust) {
    this.name = name;
    this.#client = client;
    this.#trust = trust;
  }

  /** Asks nobody yet. */
  static async open(name: string, opening: AwsOpening): Promise<Stream> {
    const trust = await trustOf(opening.metadata);
    return new Stream(name, await AwsClient.open(opening, service), trust);
  }

  /** What it is known by. */
  get identity(): string {
    return `${this.#client.endpoint} ${this.name}`;
  }

  /** Resolves where the stream is there, as far as this user may know. */
  async probe(signal: AbortSignal): Promise<void> {
    try {
      await this.describe(signal);
    } catch (error) {
      // The service is there, and has said who may ask what.
      if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
    }
  }

  /** Rejects with a `BindingError` where it is not there, or this user may not look. */
  async describe(signal: AbortSignal): Promise<void> {
    await this.#json("DescribeStreamSummary", { StreamName: this.name }, signal);
  }

  async put(data: Uint8Array, key: string, signal: AbortSignal): Promise<void> {
    const Data = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
    const input = { StreamName: this.name, Data, PartitionKey: key };
    await this.#json("PutRecord", input, signal);
  }

  /** All that the stream has, those that have ended too while their records are kept. */
  async shards(signal: AbortSignal): Promise<Shard[]> {
    const shards: Shard[] = [];
    let input: object = { StreamName: this.name };
    for (;;) {
      const answer = await this.#json<ListAnswer>("ListShards", input, signal);
      shards.push(...(answer.Shards ?? []).map((shard) => shardOf(shard)));
      if (!answer.NextToken) return shards;
      input = { NextToken: answer.NextToken };
    }
  }

  /** Rejects with `invalid_argument` for a sequence number that the shard cannot have, and a time to come. */
  async iterator(shard: string, position: Position, signal: AbortSignal): Promise<string> {
    const answer = await this.#json<{ ShardIterator?: string }>(
      "GetShardIterator",
      { StreamName: this.name, ShardId: shard, ...iteratorOf(position) },
      signal,
    );
    return answer.ShardIterator ?? "";
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<Fetched> {
    const input = { ShardIterator: iterator, Limit: limit };
    const answer = await this.#json<RecordsAnswer>("GetRecords", input, signal);
    return {
      records: recordsOf(answer),
      next: answer.NextShardIterator || undefined,
      behind: answer.MillisBehindLatest ?? 0,
    };
  }

  /** The ARN of the stream. */
  async arn(signal: AbortSignal): Promise<string> {
    const input = { StreamName: this.name };
    const answer = await this.#json<SummaryAnswer>("DescribeStreamSummary", input, signal);
    return answer.StreamDescriptionSummary?.StreamARN ?? "";
  }

  /** A consumer that is registered. Rejects with `not_found` where it is not. */
  async consumer(stream: string, name: string, signal: AbortSignal): Promise<Consumer> {
    const input = { StreamARN: stream, ConsumerName: name };
    const answer = await this.#json<DescribedConsumer>("DescribeStreamConsumer", input, signal);
    return answer.ConsumerDescription ?? {};
  }

  async register(stream: string, name: string, signal: AbortSignal): Promise<void> {
    const input = { StreamARN: stream, ConsumerName: name };
    await this.#json("RegisterStreamConsumer", input, signal);
  }

  /** What comes into a shard from a position on, for the five minutes at most that Kinesis lets a subscription last. */
  async *subscribe(
    consumer: string,
    shard: string,
    position: Position,
    signal: AbortSignal,
  ): AsyncGenerator<Subscribed, void> {
    const operation = "SubscribeToShard";
    const input = {
      ...{ ConsumerARN: consumer, ShardId: shard },
      StartingPosition: startingPositionOf(position),
    };
    const { body } = await this.#client.stream({
      ...{ operation, method: "POST", path: "/", signal },
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": `Kinesis_20131202.${operation}`,
      },
      body: Buffer.from(JSON.stringify(input)),
      exchange: (wanted, signal) => exchangeOverHttp2(wanted, this.#trust, signal),
    });
    for await (const { headers, payload } of messagesOf(body)) {
      const type = headers.get(":message-type");
      if (type !== "event") throw refusalIn(headers, payload);
      if (headers.get(":event-type") !== "SubscribeToShardEvent") continue;
      const event = JSON.parse(payload.toString("utf8")) as SubscribeEvent;
      yield {
        records: recordsOf(event),
        reached: event.ContinuationSequenceNumber || undefined,
      };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  #json<Answer extends object>(
    operation: string,
    input: object,
    signal: AbortSignal,
  ): Promise<Answer> {
    const target = { prefix: "Kinesis_20131202", operation, version: "1.1" } as const;
    return this.#client.json<Answer>(target, input, signal, { maxBody: largestAnswer });
  }
}

type Trust = Awaited<ReturnType<typeof trustOf>>;

type SummaryAnswer = { readonly StreamDescriptionSummary?: { readonly StreamARN?: string } };

type Consumer = { readonly ConsumerARN?: string; readonly ConsumerStatus?: string };

type DescribedConsumer = { readonly ConsumerDescription?: Consumer };

type SubscribeEvent = Pick<RecordsAnswer, "Records"> & {
  readonly ContinuationSequenceNumber?: string | null;
};

type ListedShard = {
  readonly ShardId: string;
  readonly ParentShardId?: string | null;
  readonly AdjacentParentShardId?: string | null;
  readonly SequenceNumberRange?: {
    readonly StartingSequenceNumber?: string;
    readonly EndingSequenceNumber?: string | null;
  };
};

type ListAnswer = {
  readonly Shards?: readonly ListedShard[];
  readonly NextToken?: string | null;
};

type RecordsAnswer = {
  readonly Records?: readonly {
    readonly SequenceNumber: string;
    readonly PartitionKey: string;
    readonly Data?: string;
    readonly ApproximateArrivalTimestamp?: number;
  }[];
  readonly NextShardIterator?: string | null;
  readonly MillisBehindLatest?: number;
};

function shardOf(listed: ListedShard): Shard {
  const { ShardId, ParentShardId, AdjacentParentShardId, SequenceNumberRange } = listed;
  return {
    id: ShardId,
    parents: [ParentShardId, AdjacentParentShardId].filter((id) => id !== undefined && id !== null),
    first: SequenceNumberRange?.StartingSequenceNumber ?? "0",
    isClosed: Boolean(SequenceNumberRange?.EndingSequenceNumber),
  };
}

function recordsOf({ Records = [] }: Pick<RecordsAnswer, "Records">): KinesisRecord[] {
  return Records.map((record) => ({
    sequence: record.SequenceNumber,
    key: record.PartitionKey,
    data: Buffer.from(record.Data ?? "", "base64"),
    arrived: millisecondsOf(record.ApproximateArrivalTimestamp),
  }));
}

/** What ends a subscription, as the error that a call would have been refused with. */
function refusalIn(headers: ReadonlyMap<string, string>, payload: Buffer): BindingError {
  const code = headers.get(":exception-type") ?? headers.get(":error-code") ?? "";
  const { message } = jsonMembers(payload);
  const said = headers.get(":error-message") ?? (typeof message === "string" ? message : "");
  const status = code.startsWith("Internal") ? 500 : 400;
  return awsFailure(service.id, "SubscribeToShard", { status, code, message: said.slice(0, 2048) });
}

function startingPositionOf(position: Position): object {
  if (typeof position === "string") return { Type: position };
  if ("at" in position) return { Type: "AT_TIMESTAMP", Timestamp: position.at / 1000 };
  return { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: position.after };
}

function iteratorOf(position: Position): object {
  if (typeof position === "string") return { ShardIteratorType: position };
  if ("at" in position) return { ShardIteratorType: "AT_TIMESTAMP", Timestamp: position.at / 1000 };
  return {
    ShardIteratorType: "AFTER_SEQUENCE_NUMBER",
    StartingSequenceNumber: position.after,
  };
}

function millisecondsOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1000);
}
