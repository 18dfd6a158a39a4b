import type { ClusterMetadata, Consumer, ConsumerGroupJoinPayload } from "@platformatic/kafka";
import type { Reader, Reading } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { AssignedPartition } from "./assigned-partition.ts";
import type { PartitionSettings } from "./assigned-partition.ts";
import { encodeOwned } from "./assignment.ts";
import { orDefault } from "./client.ts";
import type { Driver } from "./client.ts";
import { commitOffsets } from "./commits.ts";
import type { Commit, Committed, TopicPartition } from "./commits.ts";
import { errorOf, failureOf } from "./failures.ts";
import { Fetcher, fetchTimeout } from "./fetcher.ts";
import type { kafkaFields, KafkaMetadata } from "./fields.ts";
import { groupOptions, strategyOf } from "./group-options.ts";
import { UncommittedOffsets } from "./uncommitted-offsets.ts";
import { decodeHandledRanges } from "./handled-ranges.ts";
import { backlogOf, edgeOf, firstPositions } from "./positions.ts";

type KafkaReading = Reading<typeof kafkaFields>;

const commitInterval = 1000;
/** How long a rebalance waits for events under way, at most, in milliseconds. */
const drainTimeout = 3000;
const pauseBetweenTries = 200;
// A broker stores 4096 characters unless told otherwise.
const textLimit = 3072;

/**
 * A member of a consumer group. It commits what was handled without a gap, and beside it the ranges
 * handled above; partitions that stay ours over a rebalance are read on as if nothing had happened.
 */
export class GroupReader implements Reader {
  readonly #driver: Driver;
  readonly #metadata: KafkaMetadata;
  readonly #reading: KafkaReading;
  readonly #consumer: Consumer;
  readonly #fetcher: Fetcher;
  readonly #settings: PartitionSettings;
  #partitions = new Map<string, AssignedPartition>();
  /** Ours before, but another member may have had them since: until it is known what is committed, they rest. */
  #doubtful = new Map<string, AssignedPartition>();
  #topicIds = new Map<string, string>();
  /** The number of partitions by topic, as shared in the present generation. */
  #shared = new Map<string, number>();
  #member: { readonly id: string | null; readonly generation: number } | undefined;
  /** Counts assignments, so that one under way notices that it is out of date. */
  #assignment = 0;
  #settled = Promise.withResolvers<void>();
  #commitTimer: NodeJS.Timeout | undefined;
  #refreshTimer: NodeJS.Timeout | undefined;
  readonly #memory: UncommittedOffsets;
  #committing: Promise<void> = Promise.resolve();
  /** A commit of the timer is under way. */
  #ticking = false;
  #textLimit = textLimit;
  #stopped = false;
  #lost = false;

  constructor(
    driver: Driver,
    reading: KafkaReading,
    group: string,
    topics: readonly string[],
    exclude: RegExp | undefined,
  ) {
    const { metadata } = reading;
    this.#driver = driver;
    this.#metadata = metadata;
    this.#reading = reading;
    this.#memory = UncommittedOffsets.of(metadata.brokers, group);
    const strategy = strategyOf(metadata, reading.logger);
    this.#consumer = new driver.Consumer(
      groupOptions(metadata, group, strategy, async () => {
        await this.#beforeJoin();
        return strategy === "sticky" ? this.#owned() : Buffer.alloc(0);
      }),
    );
    for (const topic of topics) this.#consumer.topics.track(topic);
    this.#fetcher = new Fetcher(driver, this.#consumer, metadata, {
      outOfRange: (partition) => this.#outOfRange(partition),
      lost: (reason) => this.#giveUp(reason),
      stuck: (node, reason) =>
        reading.logger.warn({ node, reason }, "a broker cannot be read from; others are"),
      described: (cluster) => this.#described(cluster),
    });
    this.#settings = {
      deliver: reading.deliver,
      format: { exclude, escape: metadata.escapeHeaders },
      chunk: orDefault(metadata.channelBufferSize, 256),
      readAhead: orDefault(metadata.consumerFetchDefault, 1_048_576),
      changed: () => {
        this.#fetcher.wake();
        this.#settled.resolve();
      },
      failed: (error) => this.#giveUp(error),
    };
  }

  /** Joins the group; resolves once its partitions are known and read from. */
  async start(): Promise<void> {
    const assigned = Promise.withResolvers<void>();
    this.#consumer.on("consumer:group:join", (joined) => {
      void this.#assign(joined).then(assigned.resolve, (error: unknown) => {
        assigned.reject(error);
        this.#giveUp(error);
      });
    });
    this.#consumer.on("error", (error) => this.#giveUp(error));
    this.#consumer.on("consumer:heartbeat:stalled", ({ lastError }) =>
      this.#giveUp(lastError ?? new Error("the group's coordinator does not answer heartbeats")),
    );
    await this.#fetcher.refresh();
    await this.#consumer.joinGroup({});
    await assigned.promise;
    this.#commitTimer = setInterval(() => void this.#tick(), commitInterval);
    const interval = orDefault(
      this.#metadata.clientConnectionTopicMetadataRefreshInterval,
      480_000,
    );
    this.#refreshTimer = setInterval(() => void this.#fetcher.refresh().catch(() => {}), interval);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#refreshTimer);
    for (const partition of this.#partitions.values()) partition.pause();
    await this.#fetcher.stop();
  }

  async flush(): Promise<void> {
    const until = Date.now() + fetchTimeout;
    for (;;) {
      try {
        await this.#commit();
        return;
      } catch (error) {
        if (this.#lost || Date.now() > until)
          throw errorOf("kafka error: offsets could not be committed", error, "ambiguous");
        await pause();
      }
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#commitTimer);
    await this.stop();
    if (!this.#lost) await this.#commit().catch(() => {});
    this.#assignment++;
    for (const partition of [...this.#partitions.values(), ...this.#doubtful.values()])
      this.#letGo(partition);
    // A coordinator that does not answer finds out by the session's time-out.
    await Promise.race([
      this.#consumer.close(true).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 5000).unref()),
    ]);
  }

  /** How many records the group has still to handle in the partitions that are this reader's. */
  backlog(): Promise<number> {
    const own = [...this.#partitions.values()];
    return backlogOf(this.#driver, this.#consumer, own, this.#metadata.initialOffset);
  }

  #owned(): Buffer {
    const owned = new Map<string, number[]>();
    for (const { topic, partition } of this.#partitions.values()) {
      owned.set(topic, [...(owned.get(topic) ?? []), partition]);
    }
    return encodeOwned(owned, this.#member?.generation ?? -1);
  }

  // What is under way gets a moment, so that the next owner need not repeat it.
  async #beforeJoin(): Promise<void> {
    this.#assignment++;
    const partitions = [...this.#partitions.values()];
    for (const partition of partitions) partition.pause();
    const until =
      Date.now() + Math.min(drainTimeout, orDefault(this.#metadata.sessionTimeout, 10_000) / 3);
    while (partitions.some(({ open }) => open > 0) && Date.now() < until && !this.#stopped) {
      this.#settled = Promise.withResolvers<void>();
      const timer = setTimeout(this.#settled.resolve, until - Date.now());
      await this.#settled.promise;
      clearTimeout(timer);
    }
    if (partitions.length > 0 && this.#consumer.memberId !== null)
      await this.#commit().catch(() => {});
  }

  async #assign({
    memberId,
    generationId = 0,
    assignments = [],
  }: ConsumerGroupJoinPayload): Promise<void> {
    const turn = ++this.#assignment;
    const before = this.#member;
    this.#member = { id: memberId, generation: generationId };
    // Nobody else had a partition between two generations that follow each other.
    const continued = before?.id === memberId && before.generation + 1 === generationId;
    const wanted = assignments.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const kept = new Map<string, AssignedPartition>();
    const doubtful = new Map<string, AssignedPartition>();
    const present = new Map([...this.#doubtful, ...this.#partitions]);
    for (const name of wanted.map(nameOf)) {
      const partition = present.get(name);
      if (partition === undefined) continue;
      if (continued && this.#partitions.has(name)) kept.set(name, partition);
      else doubtful.set(name, partition);
      present.delete(name);
    }
    for (const partition of present.values()) this.#letGo(partition);
    for (const partition of doubtful.values()) partition.pause();
    this.#partitions = kept;
    this.#doubtful = doubtful;
    if (!this.#stopped) for (const partition of kept.values()) partition.resume();
    this.#fetcher.assign([...kept.values()]);
    const added = wanted.filter((place) => !kept.has(nameOf(place)));
    this.#reading.logger.info(
      { generation: generationId, partitions: wanted.map(nameOf) },
      "joined the consumer group",
    );
    const until = Date.now() + fetchTimeout;
    while (added.length > 0 && turn === this.#assignment && !this.#stopped) {
      try {
        const positions = await firstPositions(this.#driver, this.#consumer, added, {
          initial: this.#metadata.initialOffset,
          rests: (found) => this.#doubtful.get(nameOf(found))?.isStoredAs(found) === true,
        });
        if (turn !== this.#assignment) return;
        for (const position of positions) {
          const partition = this.#take(position);
          this.#partitions.set(nameOf(partition), partition);
          if (!this.#stopped) partition.resume();
        }
        this.#fetcher.assign([...this.#partitions.values()]);
        return;
      } catch (error) {
        if (turn !== this.#assignment || this.#stopped) return;
        if (Date.now() > until) throw error;
        await pause();
      }
    }
  }

  /** Reads on where this reader was, unless somebody else did meanwhile; else from the group's position. */
  #take(committed: Committed): AssignedPartition {
    const resting = this.#doubtful.get(nameOf(committed));
    this.#doubtful.delete(nameOf(committed));
    if (resting?.isStoredAs(committed)) return resting;
    if (resting !== undefined) this.#letGo(resting);
    const { topic, partition, offset, text } = committed;
    const decoded = decodeHandledRanges(offset, text);
    const skip = this.#memory.take(this.#topicIds.get(topic), partition, offset, decoded);
    const taken = new AssignedPartition(committed, offset, skip, this.#settings);
    if (text !== null) taken.stored = { offset, text };
    return taken;
  }

  async #outOfRange(partition: AssignedPartition): Promise<void> {
    const { position, topic } = partition;
    const start = await edgeOf(this.#consumer, partition, "start");
    const end = await edgeOf(this.#consumer, partition, "end");
    const fields = { topic, partition: partition.partition, position, start, end };
    if (position < start) {
      this.#reading.logger.warn(
        { ...fields, lost: start - position },
        "records were deleted before they were read: their retention is over; reading goes on after the gap",
      );
      this.#restart(partition, start);
    } else if (position > end) {
      this.#reading.logger.warn(
        { ...fields, truncated: position - end },
        "the log ends before the position: it was truncated; reading goes on at its end",
      );
      this.#restart(partition, end);
    } else {
      throw new Error(
        `${nameOf(partition)} has offset ${position}, and its leader does not know it yet`,
      );
    }
  }

  #restart(old: AssignedPartition, offset: number): void {
    if (this.#partitions.get(nameOf(old)) !== old) return;
    old.end();
    this.#partitions.set(nameOf(old), new AssignedPartition(old, offset, [], this.#settings));
    this.#fetcher.assign([...this.#partitions.values()]);
  }

  #described(cluster: ClusterMetadata): void {
    let grown = false;
    for (const topic of this.#consumer.topics.current) {
      const found = cluster.topics.get(topic);
      if (found === undefined) continue;
      const id = this.#topicIds.get(topic);
      this.#topicIds.set(topic, found.id);
      if (id !== undefined && id !== found.id) this.#recreated(topic);
      const shared = this.#shared.get(topic);
      this.#shared.set(topic, found.partitionsCount);
      if (shared !== undefined && shared !== found.partitionsCount) grown = true;
    }
    if (!grown || this.#stopped) return;
    this.#reading.logger.info({}, "a topic has more partitions now; they are shared anew");
    this.#consumer.joinGroup({}).catch((error: unknown) => this.#giveUp(error));
  }

  #recreated(topic: string): void {
    this.#reading.logger.warn(
      { topic },
      "the topic was deleted and made anew; it is read from its start",
    );
    for (const partition of this.#partitions.values()) {
      if (partition.topic === topic) this.#restart(partition, 0);
    }
    for (const partition of this.#doubtful.values()) {
      if (partition.topic === topic) partition.end();
    }
  }

  /** Ends a partition, revokes what the app does not have, and remembers what the coordinator may not have heard of it. */
  #letGo(partition: AssignedPartition): void {
    if (partition.ended) return;
    partition.end();
    const id = this.#topicIds.get(partition.topic);
    this.#memory.store(id, partition.partition, partition.known);
    partition.withdraw();
  }

  /** Where nobody answers, one commit waits and not one for each second. */
  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.#commit();
    } catch (error) {
      const reason = messageOf(error);
      this.#reading.logger.warn({ reason }, "offsets could not be committed, trying again");
    } finally {
      this.#ticking = false;
    }
  }

  /** One after another: two commits at once could arrive in the wrong order. */
  #commit(): Promise<void> {
    const next = this.#committing.catch(() => {}).then(() => this.#commitNow());
    this.#committing = next;
    return next;
  }

  async #commitNow(): Promise<void> {
    const commits = new Map<Commit, AssignedPartition>();
    for (const partition of this.#partitions.values()) {
      const commit = partition.commit(this.#textLimit);
      if (commit.offset !== partition.stored?.offset || commit.text !== partition.stored.text)
        commits.set(commit, partition);
    }
    for (const [commit, partition] of commits) partition.sent = commit;
    const refused = await commitOffsets(this.#driver, this.#consumer, [...commits.keys()]);
    for (const [commit, partition] of commits) {
      const failure = refused.get(commit);
      if (failure === undefined) partition.stored = { offset: commit.offset, text: commit.text };
      else if (failure.code === "OFFSET_METADATA_TOO_LARGE")
        this.#textLimit = Math.floor(this.#textLimit / 2);
    }
    const [failure] = refused.values();
    if (failure !== undefined)
      throw new BindingError("unavailable", failure.message, { systemCode: failure.code });
  }

  #giveUp(reason: unknown): void {
    if (this.#lost || this.#stopped) return;
    this.#lost = true;
    void this.#fetcher.stop();
    const error = errorOf("kafka error: the consumer group was lost", reason, "ambiguous");
    this.#reading.logger.warn({ reason: failureOf(reason).message }, "the consumer group was lost");
    this.#reading.lost(error);
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseBetweenTries));
}
