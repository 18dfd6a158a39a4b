import type { RecordsBatch } from "@platformatic/kafka";
import type { InboundEvent } from "../../binding.ts";
import type { Commit, TopicPartition } from "./commits.ts";
import { eventOf } from "./events.ts";
import type { EventFormat } from "./events.ts";
import type { UncommittedRanges } from "./uncommitted-offsets.ts";
import { HandledOffsets } from "./handled-offsets.ts";
import { encodeHandledRanges } from "../../handled-ranges.ts";
import type { OffsetRange } from "../../handled-ranges.ts";

/** What a partition's reader shares with the others of its component. */
export type PartitionSettings = {
  readonly deliver: (events: readonly InboundEvent[]) => Promise<void>;
  readonly format: EventFormat;
  /** The most events delivered at one time. */
  readonly chunk: number;
  /** Bytes read ahead above which no more is asked for. */
  readonly readAhead: number;
  /** Called when there is room again, or something was settled while paused. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  /** Called when there are records of another leader, whose log is to be compared with what was read before. */
  readonly leaderChanged: (partition: AssignedPartition) => void;
};

type Stored = { readonly offset: number; readonly text: string };

const controlBatch = 1 << 5;

/** A partition that this member of the group reads: what was read ahead, delivered and handled. */
export class AssignedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to fetch. */
  position: number;
  /**
   * The offset up to which records were read that belong together, and the epoch of the leader that wrote the last of
   * them; -1: not known. What a later leader wrote counts once its log is known to continue them.
   */
  #continuous: { readonly epoch: number; readonly position: number };
  /** The epoch of the leader that wrote the last record that was fetched. */
  #lastEpoch: number;
  /** The epoch of the leader whose log is known to be the one that was read; -1: none. */
  checkedEpoch = -1;
  /** What the coordinator last stored for it. */
  stored: Stored | undefined;
  /** What the coordinator was last asked to store, which it may have done though no answer came. */
  sent: Stored | undefined;
  readonly #settings: PartitionSettings;
  #handled: HandledOffsets;
  /** Where this reader began to read it. */
  readonly beginning: number;
  /** Ranges that an earlier reader handled, still ahead. */
  #skip: OffsetRange[];
  #skipTold = false;
  #batches: RecordsBatch[] = [];
  /** The next record of the first batch. */
  #next = 0;
  #bytes = 0;
  #delivering = false;
  #paused = false;
  #ended = false;
  readonly #withdrawal = new AbortController();

  constructor(
    { topic, partition }: TopicPartition,
    offset: number,
    skip: OffsetRange[],
    settings: PartitionSettings,
    epoch = -1,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.position = offset;
    this.#continuous = { epoch, position: offset };
    this.#lastEpoch = epoch;
    this.beginning = offset;
    this.#skip = skip;
    this.#handled = new HandledOffsets(offset);
    this.#settings = settings;
  }

  /** Whether more should be fetched. */
  get hasRoom(): boolean {
    return !this.#ended && !this.#paused && this.#bytes < this.#settings.readAhead;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Events delivered and not handled yet. */
  get open(): number {
    return this.#handled.open;
  }

  /**
   * Whether the coordinator has what this reader told it last, so that nobody else has read on since. `committed`: what
   * it has; a negative offset or `undefined`: nothing.
   */
  isStoredAs(committed: { offset: number; text: string | null } | undefined): boolean {
    if (this.#ended) return false;
    if (committed === undefined || committed.offset < 0) return this.stored === undefined;
    const same = [this.stored, this.sent].find(
      (told) => told?.offset === committed.offset && told.text === (committed.text ?? ""),
    );
    if (same !== undefined) this.stored = same;
    return same !== undefined;
  }

  /** Takes what was fetched from `offset`, unless the partition was moved or ended meanwhile. */
  add(offset: number, batches: readonly RecordsBatch[]): void {
    if (this.#ended || offset !== this.position) return;
    const { isUnconfirmed } = this;
    for (const batch of batches) {
      this.#batches.push(batch);
      this.#bytes += batch.length;
      this.position = Number(batch.firstOffset) + batch.lastOffsetDelta + 1;
      this.#lastEpoch = batch.partitionLeaderEpoch;
      const { epoch } = this.#continuous;
      if (epoch === -1 || epoch === this.#lastEpoch) this.#continue();
    }
    if (this.isUnconfirmed && !isUnconfirmed) this.#settings.leaderChanged(this);
    void this.#deliver();
  }

  /** What was read up to where, and by which leader's epoch: what another leader's log is to be compared with. */
  get continuous(): { readonly epoch: number; readonly position: number } {
    return this.#continuous;
  }

  /** Whether there are records of a leader whose log was not compared yet. */
  get isUnconfirmed(): boolean {
    return this.#lastEpoch !== this.#continuous.epoch;
  }

  /** The log that is fetched continues what was read before. */
  confirm(compared: { readonly epoch: number; readonly position: number }): void {
    if (compared.epoch === this.#continuous.epoch) this.#continue();
  }

  #continue(): void {
    this.#continuous = { epoch: this.#lastEpoch, position: this.position };
  }

  /** Hands over nothing until {@link resume}. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    void this.#deliver();
  }

  /** Hands over nothing any more, and ignores what is settled from now on. */
  end(): void {
    this.#ended = true;
    this.#batches = [];
    this.#bytes = 0;
  }

  /** Revokes what was delivered and the app does not have: its next reader delivers it again. */
  withdraw(): void {
    this.#withdrawal.abort();
  }

  /** What is known of it, whether the coordinator has heard of it or not. */
  get known(): UncommittedRanges {
    return {
      floor: this.stored?.offset ?? this.beginning,
      offset: this.#handled.committable,
      // Those still ahead were handled by who told of them.
      ranges: [...this.#handled.ranges(), ...this.#skip],
    };
  }

  /** What to commit at this moment; `limit`: the longest text that the coordinator stores. */
  commit(limit: number): Commit {
    const offset = this.#handled.committable;
    return {
      topic: this.topic,
      partition: this.partition,
      offset,
      text: encodeHandledRanges(offset, this.#handled.ranges(), limit),
      epoch: this.isUnconfirmed ? -1 : this.#lastEpoch,
    };
  }

  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (!this.#ended && !this.#paused && this.#batches.length > 0) {
        const events = this.#take();
        if (events.length > 0) await this.#settings.deliver(events);
      }
    } catch (error) {
      this.#settings.failed(error);
    } finally {
      this.#delivering = false;
    }
  }

  #take(): InboundEvent[] {
    const events: InboundEvent[] = [];
    while (events.length < this.#settings.chunk) {
      const batch = this.#batches[0];
      if (batch === undefined) break;
      const record =
        (batch.attributes & controlBatch) === 0 ? batch.records[this.#next++] : undefined;
      if (record === undefined) {
        this.#handled.skipTo(Number(batch.firstOffset) + batch.lastOffsetDelta + 1);
        this.#batches.shift();
        this.#next = 0;
        this.#bytes -= batch.length;
        this.#settings.changed();
        continue;
      }
      const offset = Number(batch.firstOffset) + record.offsetDelta;
      // A broker answers with whole batches, so with what was read before, too.
      if (offset < this.#handled.end || this.#isHandled(offset)) continue;
      const token = this.#handled.deliver(offset);
      const timestamp = batch.firstTimestamp + record.timestampDelta;
      const place = { topic: this.topic, partition: this.partition, offset, timestamp };
      const settle: InboundEvent["settle"] = ({ outcome }) => {
        if (outcome !== "handled" || this.#ended) return;
        this.#handled.handle(token);
        if (this.#paused) this.#settings.changed();
      };
      const { format } = this.#settings;
      events.push(eventOf(record, place, format, settle, this.#withdrawal.signal));
    }
    return events;
  }

  #isHandled(offset: number): boolean {
    for (
      let range = this.#skip[0];
      range !== undefined && range.first <= offset;
      range = this.#skip[0]
    ) {
      if (!this.#skipTold) this.#handled.skip(range);
      this.#skipTold = true;
      if (offset <= range.last) return true;
      this.#skip.shift();
      this.#skipTold = false;
    }
    return false;
  }
}
