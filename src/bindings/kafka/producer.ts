import type { Base, ClusterMetadata } from "@platformatic/kafka";
import type { Logger } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { bytesOf, recordsOf, refusalsOf, sizeOf, takeBatch } from "./batches.ts";
import type {
  Batch,
  Message,
  MessageRecord,
  ProduceOptions,
  ProduceResponse,
  Waiting,
} from "./batches.ts";
import { connectionTo, orDefault, refreshInterval, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";
import {
  errorOf,
  errorOfFailure,
  failureOf,
  isStale,
  isTransient,
  isPossibleAfterAppend,
} from "./failures.ts";
import type { Failure } from "./failures.ts";
import type { KafkaMetadata } from "./fields.ts";
import { partitionFor } from "./partitioner.ts";
import { newIdentity } from "./producer-identity.ts";
import type { ProducerIdentity } from "./producer-identity.ts";
import { TopicLookup } from "./topic-lookup.ts";
import { cancelled, PendingMessage } from "./pending-message.ts";

type ProduceArguments = [
  acks: number,
  timeout: number,
  messages: MessageRecord[],
  options: ProduceOptions,
];

const largestRequest = 8 << 20;
const resendFor = 10_000;
const resendPause = 100;
const acks = { all: -1, local: 1, none: 0 } as const;

/**
 * Writes to one topic. What is sent while a broker answers goes with the next request to it, in order
 * per partition. With acks of all the producer is idempotent: what a broken connection left in doubt
 * is written again under the same number, for ten seconds, and is stored once.
 */
export class TopicProducer {
  readonly #driver: Driver;
  readonly #client: Base;
  readonly #topic: string;
  readonly #lookup: TopicLookup;
  readonly #metadata: KafkaMetadata;
  readonly #logger: Logger;
  readonly #limit: number;
  readonly #waiting = new Map<number, Waiting[]>();
  /** Partitions with a batch on its way: there is never a second one, or numbers could come out of order. */
  readonly #underWay = new Set<number>();
  readonly #busyNodes = new Set<number>();
  #identity: Promise<ProducerIdentity | undefined> | undefined;
  #idempotent: boolean;
  #scheduled = false;
  #closed = false;

  constructor(
    driver: Driver,
    client: Base,
    topic: string,
    metadata: KafkaMetadata,
    logger: Logger,
  ) {
    this.#driver = driver;
    this.#client = client;
    this.#topic = topic;
    this.#lookup = new TopicLookup(client, topic, refreshInterval(metadata));
    this.#metadata = metadata;
    this.#logger = logger;
    this.#limit = orDefault(metadata.maxMessageBytes, 1_048_576);
    this.#idempotent = metadata.producerRequiredAcks === "all";
  }

  /** Resolves once the message is stored as `producerRequiredAcks` says; rejects with a `BindingError`. */
  async send(message: Message, signal: AbortSignal): Promise<void> {
    const bytes = sizeOf(message);
    if (bytes > this.#limit) {
      throw new BindingError(
        "resource_exhausted",
        `kafka: invalid configuration (Attempt to produce message larger than configured Producer.MaxMessageBytes: ${bytes} > ${this.#limit}); raise maxMessageBytes, and the topic's max.message.bytes, or send less`,
      );
    }
    const partitions = this.#lookup.knownPartitions || (await this.#lookup.partitions());
    const partition = message.partition ?? partitionFor(message.key, partitions);
    if (partition >= partitions) {
      throw new BindingError(
        "invalid_argument",
        `partition number ${partition} is out of range, topic has ${partitions} partitions`,
      );
    }
    await this.#enqueue(message, bytes, partition, signal);
  }

  /** Refuses what still waits. What is on its way is answered when the connection closes. */
  close(): void {
    this.#closed = true;
    for (const messages of this.#waiting.values()) {
      for (const one of messages.splice(0)) one.reject(cancelled("the component was closed"));
    }
  }

  #enqueue(message: Message, bytes: number, partition: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(cancelled("the component is closed"));
      if (signal.aborted) return reject(cancelled("cancelled by the caller"));
      const queue = this.#waiting.get(partition) ?? [];
      this.#waiting.set(partition, queue);
      queue.push(new PendingMessage(message, bytes, queue, signal, { resolve, reject }));
      this.#schedule();
    });
  }

  // After what is on the event loop now, so that what arrives together goes together.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    let cluster: ClusterMetadata;
    try {
      cluster = await this.#lookup.cluster();
    } catch (error) {
      this.#refuseWaiting(errorOf("kafka error", error, "unsent"));
      return;
    }
    const byLeader = new Map<number, Batch[]>();
    for (const [partition, queue] of this.#waiting) {
      if (this.#underWay.has(partition)) continue;
      const node = this.#lookup.leaderIn(cluster, partition);
      if (this.#busyNodes.has(node)) continue;
      const batches = byLeader.get(node) ?? [];
      const room = largestRequest - batches.reduce((sum, one) => sum + bytesOf(one), 0);
      const batch = takeBatch(partition, queue, this.#limit, room);
      if (batch === undefined) continue;
      byLeader.set(node, [...batches, batch]);
    }
    for (const [node, batches] of byLeader) void this.#carry(node, batches);
  }

  // Stays with the batches until each is answered, then looks for more.
  async #carry(node: number, batches: Batch[]): Promise<void> {
    this.#busyNodes.add(node);
    for (const { partition } of batches) this.#underWay.add(partition);
    const began = Date.now();
    let target = node;
    let left = batches;
    try {
      for (;;) {
        left = await this.#attempt(target, left, Date.now() - began < resendFor && !this.#closed);
        if (left.length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, resendPause));
        const cluster = await this.#lookup.cluster().catch(() => undefined);
        // Leaders may have parted ways; those elsewhere are carried by themselves.
        const leaderOf = (batch: Batch): number =>
          cluster === undefined ? target : this.#lookup.leaderIn(cluster, batch.partition);
        const first = left[0];
        if (first !== undefined) target = leaderOf(first);
        const others = left.filter((batch) => leaderOf(batch) !== target);
        left = left.filter((batch) => leaderOf(batch) === target);
        for (const batch of others) void this.#carry(leaderOf(batch), [batch]);
      }
    } catch (error) {
      for (const batch of left) this.#finish(batch, errorOf("kafka error", error, "ambiguous"));
    } finally {
      this.#busyNodes.delete(node);
      this.#schedule();
    }
  }

  /** Writes the batches once, settles those that are decided, and returns those to write again. */
  async #attempt(node: number, batches: Batch[], again: boolean): Promise<Batch[]> {
    let answer: ProduceResponse | boolean;
    let writing = false;
    try {
      const identity = batches[0]?.identity ?? (await this.#identify());
      const connection = await connectionTo(
        this.#driver,
        this.#client,
        await this.#lookup.cluster(),
        node,
      );
      const produce = await requestOf<ProduceArguments, ProduceResponse | boolean>(
        this.#driver,
        this.#client,
        "Produce",
      );
      const messages = recordsOf(this.#topic, batches, identity);
      writing = true;
      answer = await produce.async(
        connection,
        acks[this.#metadata.producerRequiredAcks],
        orDefault(this.#metadata.writeTimeout, 30_000),
        messages,
        this.#optionsOf(batches, identity),
      );
    } catch (thrown) {
      const refused = writing && thrown instanceof this.#driver.ResponseError;
      if (!refused) return this.#afterBreak(node, batches, thrown, writing, again);
      answer = thrown["response"] as ProduceResponse;
    }
    const refusals = refusalsOf(this.#driver, answer);
    const left = batches.filter(
      (batch) => !this.#settle(batch, refusals.get(batch.partition), again),
    );
    // One request has one identity: when it was lost, all that was not stored is numbered anew.
    if (left.some(({ identity }) => identity === undefined))
      for (const batch of left) batch.identity = undefined;
    return left;
  }

  #afterBreak(
    node: number,
    batches: Batch[],
    thrown: unknown,
    writing: boolean,
    again: boolean,
  ): Batch[] {
    this.#lookup.forget();
    if (writing) for (const batch of batches) batch.inDoubt = true;
    // Written again where numbers keep it from being stored twice, or where nothing was written yet because brokers are busy with themselves.
    const safe = batches.some(({ inDoubt }) => inDoubt)
      ? this.#idempotent
      : node < 0 || isTransient(failureOf(thrown));
    if (again && safe) return batches;
    for (const batch of batches) {
      if (batch.inDoubt) this.#identity = undefined;
      else this.#forgetSequence(batch);
      this.#finish(batch, errorOf("kafka error", thrown, batch.inDoubt ? "ambiguous" : "unsent"));
    }
    return [];
  }

  /** Whether the batch is decided. */
  #settle(batch: Batch, refusal: Failure | undefined, again: boolean): boolean {
    if (refusal === undefined || refusal.code === "DUPLICATE_SEQUENCE_NUMBER") {
      this.#finish(batch);
      return true;
    }
    const code = refusal.code ?? "";
    if (this.#metadata.producerRequiredAcks === "all" && isPossibleAfterAppend(refusal))
      batch.inDoubt = true;
    if (isStale(refusal)) {
      this.#lookup.forget();
      if (again) return false;
    }
    if (lostIdentity.has(code)) {
      this.#identity = undefined;
      // While nothing of the batch can be stored, a new number does no harm.
      if (again && !batch.inDoubt) {
        batch.identity = undefined;
        return false;
      }
    }
    const tooLarge = code === "MESSAGE_TOO_LARGE" || code === "RECORD_LIST_TOO_LARGE";
    if (tooLarge && batch.messages.length > 1 && !batch.inDoubt) {
      this.#forgetSequence(batch);
      for (const one of batch.messages) one.alone = true;
      this.#waiting.get(batch.partition)?.unshift(...batch.messages);
      this.#underWay.delete(batch.partition);
      return true;
    }
    const error = errorOfFailure("kafka error", refusal, "ambiguous", { inDoubt: batch.inDoubt });
    if (error.effect === "ambiguous") this.#identity = undefined;
    else this.#forgetSequence(batch);
    this.#finish(batch, error);
    return true;
  }

  #finish(batch: Batch, error?: BindingError): void {
    this.#underWay.delete(batch.partition);
    for (const one of batch.messages) {
      if (error === undefined) one.resolve();
      else one.reject(error);
    }
  }

  // The broker stored nothing, so it expects the same number next.
  #forgetSequence({ identity, partition, sequence }: Batch): void {
    identity?.sequences.set(partition, sequence);
  }

  #optionsOf(batches: readonly Batch[], identity: ProducerIdentity | undefined): ProduceOptions {
    const { compression } = this.#metadata;
    if (identity === undefined) return { compression };
    const sequences = new this.#driver.NumericMap(
      batches.map(({ partition, sequence }) => [`${this.#topic}:${partition}`, sequence]),
    );
    return { compression, producerId: identity.id, producerEpoch: identity.epoch, sequences };
  }

  async #identify(): Promise<ProducerIdentity | undefined> {
    if (!this.#idempotent) return undefined;
    this.#identity ??= this.#lookup
      .cluster()
      .then((cluster) => newIdentity(this.#driver, this.#client, cluster));
    try {
      return await this.#identity;
    } catch (error) {
      this.#identity = undefined;
      if (failureOf(error).code !== "CLUSTER_AUTHORIZATION_FAILED") throw error;
      this.#idempotent = false;
      this.#logger.warn(
        { topic: this.#topic },
        "this user may not write idempotently, so a broken connection can leave a message in doubt; grant it IdempotentWrite",
      );
      return undefined;
    }
  }

  #refuseWaiting(error: BindingError): void {
    for (const [partition, messages] of this.#waiting) {
      if (this.#underWay.has(partition)) continue;
      for (const one of messages.splice(0)) one.reject(error);
    }
  }
}

const lostIdentity = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
]);
