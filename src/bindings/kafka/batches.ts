import type { BindingError } from "../../errors.ts";
import type { Driver } from "./client.ts";
import { failureOfCode } from "./failures.ts";
import type { Failure } from "./failures.ts";
import type { ProducerIdentity } from "./producer-identity.ts";

/** A message to write. A `value` of `undefined` is Kafka's null: a tombstone. */
export type Message = {
  readonly key: Buffer | undefined;
  readonly value: Buffer | undefined;
  readonly headers: Map<Buffer, Buffer>;
  /** Chosen by key, or at random, unless given. */
  readonly partition: number | undefined;
};

/** A message that somebody waits for. */
export type Waiting = Message & {
  readonly bytes: number;
  /** Refused together with others as too large: goes alone. */
  alone: boolean;
  readonly resolve: () => void;
  readonly reject: (error: BindingError) => void;
};

/** Messages of one partition that are written, and written again, together. */
export type Batch = {
  readonly partition: number;
  readonly messages: readonly Waiting[];
  /** A connection broke while it was written: it may be stored or not. */
  inDoubt: boolean;
  /** Whose numbers it is counted in. It keeps them when it is written again. */
  identity: ProducerIdentity | undefined;
  sequence: number;
};

export type ProduceResponse = Exclude<
  Awaited<ReturnType<Driver["produceV11"]["api"]["async"]>>,
  boolean
>;
export type ProduceOptions = NonNullable<Parameters<Driver["produceV11"]["api"]["async"]>[4]>;
export type MessageRecord = Parameters<Driver["produceV11"]["api"]["async"]>[3][number];

/** Takes what goes next from a partition's queue: at most `limit` bytes, and nothing when that is more than `room`. */
export function takeBatch(
  partition: number,
  queue: Waiting[],
  limit: number,
  room: number,
): Batch | undefined {
  let bytes = 0;
  let count = 0;
  for (const one of queue) {
    if (count > 0 && (one.alone || bytes + one.bytes > limit)) break;
    bytes += one.bytes;
    count++;
    if (one.alone) break;
  }
  if (count === 0 || bytes > room) return undefined;
  return {
    partition,
    messages: queue.splice(0, count),
    inDoubt: false,
    identity: undefined,
    sequence: -1,
  };
}

/** The records of batches that go in one request, numbered where there is an identity. */
export function recordsOf(
  topic: string,
  batches: readonly Batch[],
  identity: ProducerIdentity | undefined,
): MessageRecord[] {
  const timestamp = BigInt(Date.now());
  const records: MessageRecord[] = [];
  for (const batch of batches) {
    if (identity !== undefined && batch.identity === undefined) {
      batch.identity = identity;
      batch.sequence = identity.sequences.get(batch.partition) ?? 0;
      identity.sequences.set(
        batch.partition,
        (batch.sequence + batch.messages.length) & 0x7fff_ffff,
      );
    }
    for (const { key, value, headers } of batch.messages) {
      // The driver writes undefined as null, though its types want a value.
      records.push({
        topic,
        partition: batch.partition,
        key,
        value,
        headers,
        timestamp,
      } as MessageRecord);
    }
  }
  return records;
}

/** What a broker refused, by partition. */
export function refusalsOf(
  driver: Driver,
  answer: ProduceResponse | boolean,
): Map<number, Failure> {
  const refusals = new Map<number, Failure>();
  if (typeof answer === "boolean") return refusals;
  for (const { partitionResponses } of answer.responses) {
    for (const { index, errorCode, errorMessage, recordErrors } of partitionResponses) {
      if (errorCode === 0) continue;
      const said = errorMessage ?? recordErrors?.[0]?.batchIndexErrorMessage ?? undefined;
      refusals.set(index, failureOfCode(driver, errorCode, said));
    }
  }
  return refusals;
}

/** How many bytes a message takes at most. */
export function sizeOf({ key, value, headers }: Message): number {
  // What a record costs beside its contents.
  let bytes = 36 + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, text] of headers) bytes += 10 + name.length + text.length;
  return bytes;
}

/** How many bytes a batch takes at most. */
export function bytesOf({ messages }: Batch): number {
  return messages.reduce((sum, { bytes }) => sum + bytes, 0);
}
