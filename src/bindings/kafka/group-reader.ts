import { setTimeout as pause } from "node:timers/promises";
import type { ClusterMetadata, Consumer, ConsumerGroupJoinPayload } from "@platformatic/kafka";
import type { Reader, Reading } from "../../binding.ts";
import { AssignedPartition } from "./assigned-partition.ts";
import type { PartitionSettings } from "./assigned-partition.ts";
import { encodeOwned } from "./assignment.ts";
import { firstPositions } from "./beginnings.ts";
import type { LoginAccess } from "./aws-token.ts";
import { clientOptions, orDefault, refreshInterval } from "./client.ts";
import type { Driver } from "./client.ts";
import type { Committed, TopicPartition } from "./commits.ts";
import { errorOf, failureOf } from "./failures.ts";
import { Fetcher, fetchTimeout } from "./fetcher.ts";
import type { kafkaFields, KafkaMetadata } from "./fields.ts";
import { groupOptions, strategyOf } from "./group-options.ts";
import { UncommittedOffsets } from "./uncommitted-offsets.ts";
import { decodeHandledRanges } from "../../handled-ranges.ts";
import { tellMissingTopics } from "./missing-topics.ts";
import { OffsetCommitter } from "./offset-committer.ts";
import { backlogOf, nameOf } from "./positions.ts";
import { ReaderReport } from "./reader-report.ts";
import { SeenTopics } from "./seen-topics.ts";
import { logTopicChange, TopicWatch } from "./topic-watch.ts";
import { LogCheck } from "./truncation.ts";

type KafkaReading = Reading<typeof kafkaFields>;

/** How long a rebalance waits for events under way, at most, in milliseconds. */
const drainTimeout = 3000;
const pauseBetweenTries = 200;
/** How often a topic that is not there is looked for, in milliseconds. */
const whileMissing = 2000;
/** How long the member with a topic's first partition has to begin it, in milliseconds. */
const beginningAlone = 10_000;

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
  /** Where partitions ended whose topic another member is to begin. */
  readonly #waiting = new Map<string, number>();
  readonly #watch: TopicWatch;
  readonly #seen: SeenTopics;
  readonly #report: ReaderReport;
  readonly #committer: OffsetCommitter;
  readonly #logCheck: LogCheck;
  #member: { readonly id: string | null; readonly generation: number } | undefined;
  /** Told to the group: the coordinator takes a member that says the same as before for one that has nothing new. */
  #changes = "";
  /** Counts assignments, so that one under way notices that it is out of date. */
  #assignment = 0;
  #settled = Promise.withResolvers<void>();
  #refreshTimer: NodeJS.Timeout | undefined;
  readonly #memory: UncommittedOffsets;
  #stopped = false;
  #lost = false;

  constructor(
    driver: Driver,
    reading: KafkaReading,
    group: string,
    topics: readonly string[],
    exclude: RegExp | undefined,
    access: LoginAccess,
  ) {
    const { metadata } = reading;
    this.#driver = driver;
    this.#metadata = metadata;
    this.#reading = reading;
    this.#memory = UncommittedOffsets.of(metadata.brokers, group);
    this.#seen = SeenTopics.of(metadata.brokers, group);
    this.#watch = new TopicWatch(topics, this.#seen);
    this.#report = new ReaderReport(reading, topics);
    const strategy = strategyOf(metadata, reading.logger);
    const options = clientOptions(metadata, access);
    this.#consumer = new driver.Consumer(
      groupOptions(metadata, options, group, strategy, async (cluster) => {
        this.#described(cluster);
        await this.#beforeJoin();
        // A leader must not share by what it once knew of topics that only others read.
        this.#consumer.clearMetadata();
        return strategy === "sticky" ? this.#owned : Buffer.from(this.#changes);
      }),
    );
    tellMissingTopics(driver, this.#consumer);
    this.#committer = new OffsetCommitter(driver, this.#consumer, reading.logger, () =>
      this.#partitions.values(),
    );
    for (const topic of topics) this.#consumer.topics.track(topic);
    this.#fetcher = new Fetcher(driver, this.#consumer, metadata, reading.memory, options, {
      outOfRange: (partition) => this.#logCheck.outOfRange(partition),
      lost: (reason) => this.#giveUp(reason),
      stuck: (node, reason) =>
        reading.logger.warn({ node, reason }, "a broker cannot be read from; the others are"),
      described: (cluster) => {
        if (this.#described(cluster)) this.#joinAgain();
      },
    });
    this.#logCheck = new LogCheck(driver, this.#consumer, this.#report, {
      restart: (partition, offset) => this.#restart(partition, offset),
      refresh: () => this.#fetcher.refresh(),
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
      leaderChanged: (partition) => this.#logCheck.leaderChanged(partition),
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
    this.#committer.start();
    this.#refreshLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#refreshTimer);
    for (const partition of this.#partitions.values()) partition.pause();
    await this.#fetcher.stop();
  }

  async flush(): Promise<void> {
    const until = Date.now() + fetchTimeout;
    for (;;) {
      try {
        await this.#committer.commit();
        return;
      } catch (error) {
        if (this.#lost || Date.now() > until)
          throw errorOf("kafka error: offsets could not be committed", error, "ambiguous");
        await pause(pauseBetweenTries);
      }
    }
  }

  async close(): Promise<void> {
    this.#committer.stop();
    await this.stop();
    if (!this.#lost) await this.#committer.commit().catch(() => {});
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
    return backlogOf(this.#driver, this.#consumer, [...this.#partitions.values()]);
  }

  get #owned(): Buffer {
    return encodeOwned(this.#partitions.values(), this.#member?.generation ?? -1);
  }

  // What is under way gets a moment, so that the next owner need not repeat it.
  async #beforeJoin(): Promise<void> {
    this.#assignment++;
    const partitions = [...this.#partitions.values()];
    for (const partition of partitions) partition.pause();
    // Whom the group has put out can commit nothing any more, and keeps the others waiting for nothing.
    if (this.#consumer.memberId !== this.#member?.id) return;
    const until =
      Date.now() + Math.min(drainTimeout, orDefault(this.#metadata.sessionTimeout, 10_000) / 3);
    while (partitions.some(({ open }) => open > 0) && Date.now() < until && !this.#stopped) {
      this.#settled = Promise.withResolvers<void>();
      const timer = setTimeout(this.#settled.resolve, until - Date.now());
      await this.#settled.promise;
      clearTimeout(timer);
    }
    if (partitions.length > 0) await this.#committer.commit().catch(() => {});
  }

  async #assign({
    memberId,
    generationId = 0,
    assignments = [],
  }: ConsumerGroupJoinPayload): Promise<void> {
    const turn = ++this.#assignment;
    const before = this.#member;
    this.#member = { id: memberId, generation: generationId };
    if (before !== undefined && before.id !== memberId) this.#report.putOut();
    // Nobody else had a partition between two generations that follow each other.
    const continued = before?.id === memberId && before.generation + 1 === generationId;
    // A leader that does not know yet that a topic is gone shares it still.
    const wanted = assignments.flatMap(({ topic, partitions }) =>
      this.#watch.partitionsOf(topic) === 0
        ? []
        : partitions.map((partition) => ({ topic, partition })),
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
    this.#reading.logger.info(
      { generation: generationId, partitions: wanted.map(nameOf) },
      "joined the consumer group",
    );
    await this.#begin(
      wanted.filter((place) => !kept.has(nameOf(place))),
      turn,
    );
  }

  /** Reads these as well, as soon as it is known where they begin. */
  async #begin(added: TopicPartition[], turn: number): Promise<void> {
    const began = Date.now();
    let failing: number | undefined;
    while (added.length > 0 && turn === this.#assignment && !this.#stopped) {
      try {
        const positions = await this.#positionsOf(added, Date.now() - began > beginningAlone);
        if (turn !== this.#assignment) return;
        failing = undefined;
        for (const position of positions) {
          const partition = this.#take(position);
          this.#partitions.set(nameOf(partition), partition);
          if (!this.#stopped) partition.resume();
        }
        this.#fetcher.assign([...this.#partitions.values()]);
        // Who leads the new ones, and whether their logs are those that were read.
        void this.#fetcher.refresh().catch(() => {});
        added = added.filter((place) => !this.#partitions.has(nameOf(place)));
        if (added.length > 0) await pause(pauseBetweenTries);
      } catch (error) {
        if (turn !== this.#assignment || this.#stopped) return;
        failing ??= Date.now();
        if (Date.now() - failing > fetchTimeout) throw error;
        await pause(pauseBetweenTries);
        // Partitions may be newer than what is known of their topic.
        this.#consumer.clearMetadata();
      }
    }
  }

  #positionsOf(places: readonly TopicPartition[], alone: boolean): Promise<Committed[]> {
    return firstPositions(this.#driver, this.#consumer, places, {
      initial: this.#metadata.initialOffset,
      partitionsOf: (topic) => this.#watch.partitionsOf(topic),
      isYounger: (place) => this.#seen.isYounger(place),
      known: (place) => {
        const own = this.#partitions.get(nameOf(place)) ?? this.#doubtful.get(nameOf(place));
        return (
          own?.known.offset ??
          this.#memory.positionOf(this.#watch.idOf(place.topic), place.partition)
        );
      },
      rests: (found) => this.#doubtful.get(nameOf(found))?.isStoredAs(found) === true,
      alone,
      waiting: this.#waiting,
      begun: (beginning) => this.#report.begun(beginning),
    });
  }

  /** Reads on where this reader was, unless somebody else did meanwhile; else from the group's position. */
  #take(committed: Committed): AssignedPartition {
    const resting = this.#doubtful.get(nameOf(committed));
    this.#doubtful.delete(nameOf(committed));
    if (resting?.isStoredAs(committed)) return resting;
    if (resting !== undefined) this.#letGo(resting);
    const { topic, partition, offset, text, epoch } = committed;
    const decoded = decodeHandledRanges(offset, text);
    const skip = this.#memory.take(this.#watch.idOf(topic), partition, offset, decoded);
    const taken = new AssignedPartition(committed, offset, skip, this.#settings, epoch);
    if (text !== null) taken.stored = { offset, text };
    return taken;
  }

  #restart(old: AssignedPartition, offset: number): void {
    if (this.#partitions.get(nameOf(old)) !== old) return;
    old.end();
    this.#partitions.set(nameOf(old), new AssignedPartition(old, offset, [], this.#settings));
    this.#fetcher.assign([...this.#partitions.values()]);
  }

  /** Notes what has become of the topics, and gives whether they must be shared anew. */
  #described(cluster: ClusterMetadata): boolean {
    const changes = this.#watch.look(cluster);
    for (const change of changes) {
      if (change.now === 0) this.#gone(change.topic);
      else logTopicChange(this.#reading.logger, change);
      if (change.isAnother) this.#recreated(change.topic);
    }
    this.#report.missing(this.#watch.missing);
    this.#logCheck.described(cluster, this.#partitions.values());
    return changes.some(({ before, now }) => before !== now);
  }

  #refreshLater(): void {
    const usual = refreshInterval(this.#metadata);
    const interval = this.#watch.missing.length > 0 ? Math.min(usual, whileMissing) : usual;
    const again = (): void => {
      if (!this.#stopped) this.#refreshLater();
    };
    this.#refreshTimer = setTimeout(
      () => void this.#fetcher.refresh().then(again, again),
      interval,
    );
  }

  #joinAgain(): void {
    // Before the first join there is nothing to be joined again.
    if (this.#stopped || this.#lost || this.#member === undefined) return;
    this.#changes = JSON.stringify(this.#watch.partitions);
    this.#consumer.joinGroup({}).catch((error: unknown) => this.#giveUp(error));
  }

  #gone(topic: string): void {
    for (const partitions of [this.#partitions, this.#doubtful]) {
      for (const [name, partition] of partitions) {
        if (partition.topic !== topic) continue;
        partitions.delete(name);
        this.#letGo(partition);
      }
    }
    this.#fetcher.assign([...this.#partitions.values()]);
  }

  #recreated(topic: string): void {
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
    const id = this.#watch.idOf(partition.topic);
    this.#memory.store(id, partition.partition, partition.known);
    partition.withdraw();
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
