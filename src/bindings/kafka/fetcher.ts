import type {
  BaseOptions,
  ClusterMetadata,
  Connection,
  ConnectionPool,
  Consumer,
} from "@platformatic/kafka";
import type { MemoryShare } from "../../memory/budget.ts";
import type { AssignedPartition } from "./assigned-partition.ts";
import { describeTopics, orDefault, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";
import { errorOf, errorOfFailure, failureOfCode } from "./failures.ts";
import type { KafkaMetadata } from "./fields.ts";
import { countAnswers } from "./incoming.ts";

export type FetcherEvents = {
  /** The partition's position is not in its log; it is not fetched before this resolves. */
  outOfRange(partition: AssignedPartition): Promise<void>;
  /** No broker that we need was in reach for too long, or one refuses us. */
  lost(reason: unknown): void;
  /** One broker was out of reach for too long; the others are still read from. */
  stuck(node: number, reason: string): void;
  /** The topics as they are now, each time they were looked up. */
  described(cluster: ClusterMetadata): void;
};

type FetchResponse = Awaited<ReturnType<Driver["fetchV17"]["api"]["async"]>>;
type FetchRequestTopic = Parameters<Driver["fetchV17"]["createRequest"]>[6][number];
type FetchArguments = [
  maxWait: number,
  minBytes: number,
  maxBytes: number,
  isolation: number,
  session: number,
  epoch: number,
  topics: FetchRequestTopic[],
  forgotten: [],
  rack: string,
];

/** How long brokers may be out of reach before the connection counts as lost, in milliseconds. */
export const fetchTimeout = 10_000;
const pauseAfterFailure = 200;
const longPoll = 500;
// A partition that gets room waits for the poll that goes on without it.
const shortPoll = 50;
const largestAnswer = 16 << 20;
const refusals = new Set(["unauthenticated", "permission_denied", "data_loss"]);
// Brokers that leave a partition out of a session get it whole each time.
const sessionless = { id: 0, epoch: -1 };

/** Fetches what partitions have room for: one poll at a time at each leader, on connections of its own. */
export class Fetcher {
  readonly #driver: Driver;
  readonly #consumer: Consumer;
  readonly #metadata: KafkaMetadata;
  readonly #memory: MemoryShare;
  readonly #events: FetcherEvents;
  readonly #pool: ConnectionPool;
  #partitions: readonly AssignedPartition[] = [];
  #cluster: ClusterMetadata | undefined;
  #refreshing: Promise<void> | undefined;
  /** Since when a broker could not be fetched from. */
  readonly #failing = new Map<number, { since: number; told: boolean }>();
  readonly #polling = new Set<number>();
  #wake = Promise.withResolvers<void>();
  #stopped = false;

  constructor(
    driver: Driver,
    consumer: Consumer,
    metadata: KafkaMetadata,
    memory: MemoryShare,
    options: BaseOptions,
    events: FetcherEvents,
  ) {
    this.#memory = memory;
    this.#driver = driver;
    this.#consumer = consumer;
    this.#metadata = metadata;
    this.#events = events;
    const { clientId, ...rest } = options;
    this.#pool = new driver.ConnectionPool(clientId, rest);
  }

  /** Fetches these from now on. */
  assign(partitions: readonly AssignedPartition[]): void {
    this.#partitions = partitions;
    this.#begin();
    this.wake();
  }

  /** Looks again which partitions have room. */
  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** Looks the topics up again. Rejects when no broker answers. */
  refresh(): Promise<void> {
    this.#refreshing ??= describeTopics(this.#consumer, this.#consumer.topics.current, true)
      .then((cluster) => {
        this.#cluster = cluster;
        this.#events.described(cluster);
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await this.#pool.close().catch(() => {});
  }

  #begin(): void {
    for (const partition of this.#partitions) {
      // Without a leader (-1) there is nobody to ask, and that is what its poll finds out again and again.
      const node = this.#leaderOf(partition);
      if (this.#polling.has(node)) continue;
      this.#polling.add(node);
      void this.#poll(node);
    }
  }

  #leaderOf({ topic, partition }: AssignedPartition): number {
    return this.#cluster?.topics.get(topic)?.partitions[partition]?.leader ?? -1;
  }

  async #poll(node: number): Promise<void> {
    while (!this.#stopped) {
      const own = this.#partitions.filter((one) => !one.ended && this.#leaderOf(one) === node);
      if (own.length === 0) break;
      const wanted = own.filter((one) => one.hasRoom);
      if (wanted.length === 0) {
        await this.#wake.promise;
        continue;
      }
      try {
        const stale = await this.#fetch(
          node,
          wanted,
          wanted.length === own.length ? longPoll : shortPoll,
        );
        if (stale === undefined) this.#failing.delete(node);
        else await this.#retry(node, stale);
      } catch (error) {
        await this.#retry(node, error);
      }
    }
    this.#polling.delete(node);
    this.#failing.delete(node);
  }

  // A pause, then the topics anew; fails after a while.
  async #retry(node: number, reason: unknown): Promise<void> {
    if (this.#stopped) return;
    const error = errorOf("kafka error: could not fetch", reason, "unsent");
    const failing = this.#failing.get(node) ?? { since: Date.now(), told: false };
    this.#failing.set(node, failing);
    const all = [...this.#polling].every(
      (one) => Date.now() - (this.#failing.get(one)?.since ?? Infinity) > fetchTimeout,
    );
    if (refusals.has(error.reason) || all) {
      this.#events.lost(error);
      return;
    }
    if (Date.now() - failing.since > fetchTimeout && !failing.told) {
      failing.told = true;
      this.#events.stuck(node, error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseAfterFailure));
    if (this.#stopped) return;
    await this.refresh().catch(() => {});
    this.#begin();
  }

  /** Gives the reason when the topics must be looked up before the next try. */
  async #fetch(
    node: number,
    wanted: readonly AssignedPartition[],
    maxWait: number,
  ): Promise<unknown> {
    const broker = this.#cluster?.brokers.get(node);
    if (broker === undefined)
      return new Error(`broker ${node} is not in the cluster at the moment`);
    const request = await requestOf<FetchArguments, FetchResponse>(
      this.#driver,
      this.#consumer,
      "Fetch",
    );
    // Until version 12 topics go by name.
    const byName = request.version <= 12;
    const asked = new Map<string, { partition: AssignedPartition; offset: number }>();
    const topics = new Map<string, FetchRequestTopic>();
    for (const partition of wanted) {
      const id = byName ? partition.topic : (this.#cluster?.topics.get(partition.topic)?.id ?? "");
      const entry = topics.get(id) ?? { topicId: id, partitions: [] };
      topics.set(id, entry);
      entry.partitions.push({
        partition: partition.partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(partition.position),
        lastFetchedEpoch: -1,
        partitionMaxBytes: orDefault(this.#metadata.consumerFetchDefault, 1_048_576),
      });
      asked.set(`${id}:${partition.partition}`, { partition, offset: partition.position });
    }
    const connection: Connection = await this.#pool.get(broker);
    countAnswers(connection, this.#memory);
    let answer: FetchResponse;
    try {
      answer = await request.async(
        connection,
        maxWait,
        orDefault(this.#metadata.consumerFetchMin, 1),
        // A broker answers with one batch at the least, however large it is.
        Math.min(largestAnswer, Math.floor(this.#memory.limit / 2)),
        0,
        sessionless.id,
        sessionless.epoch,
        [...topics.values()],
        [],
        "",
      );
    } catch (error) {
      // An error of one partition comes with what the others have.
      if (!(error instanceof this.#driver.ResponseError)) throw error;
      answer = error["response"] as FetchResponse;
      if (answer.errorCode !== 0) throw error;
    }
    return this.#take(answer, asked);
  }

  async #take(
    answer: FetchResponse,
    asked: ReadonlyMap<string, { partition: AssignedPartition; offset: number }>,
  ): Promise<unknown> {
    let stale: unknown;
    for (const { topicId, partitions } of answer.responses) {
      for (const { partitionIndex, errorCode, records } of partitions) {
        const known = asked.get(`${topicId}:${partitionIndex}`);
        if (known === undefined) continue;
        const { partition, offset } = known;
        if (errorCode === 0) {
          if (records) partition.add(offset, records);
        } else if (errorCode === this.#driver.protocolErrors["OFFSET_OUT_OF_RANGE"]?.code) {
          if (!partition.ended && partition.position === offset)
            await this.#events.outOfRange(partition);
        } else {
          const failure = failureOfCode(this.#driver, errorCode);
          stale = errorOfFailure(`${partition.topic}[${partition.partition}]`, failure, "unsent");
        }
      }
    }
    return stale;
  }
}
