import type { InboundEvent, Logger } from "../binding.ts";
import { delay } from "../delay.ts";
import { BindingError, messageOf } from "../errors.ts";
import type { RelayLink } from "./link.ts";
import { Partition } from "./partition.ts";
import type { SharedLink } from "./shared-link.ts";
import {
  isStreamThere,
  partitionInfo,
  refuseOldServer,
  useConsumer,
  useStream,
  type RelayNames,
  type RelayTimes,
  type StreamSettings,
} from "./stream.ts";

export type ReaderOptions = {
  readonly names: RelayNames;
  readonly settings: StreamSettings;
  readonly times: RelayTimes;
  readonly logger: Logger;
  readonly shared: SharedLink;
  /** How many replicas deliver events of the component, this one included. */
  readonly members: () => number;
  /** Whether the app takes events. */
  readonly wanted: () => boolean;
  readonly deliver: (events: readonly InboundEvent[], source: string) => Promise<void>;
  readonly redelivered: () => void;
  /** Says why nothing can be read; empty: nothing is in the way. */
  readonly report: (text: string) => void;
  /** The stream is gone. Called once. */
  readonly lost: (reason: BindingError) => void;
  /** {@link RelayReader.held} has changed. */
  readonly changed: () => void;
};

/** So many beats a partition may have messages and nobody who has it, before one that has its share takes it. */
const orphanBeats = 3;
const setupPause = 1_000;
/** Without a connection for so long, the component says so. */
const slowConnecting = 2_000;

/** Reads a replica's share of the partitions. */
export class RelayReader {
  readonly #options: ReaderOptions;
  readonly #ended = new AbortController();
  #partitions: Partition[] = [];
  #link: RelayLink | undefined;
  #credit: number;
  #running: Promise<void> | undefined;
  #beat: NodeJS.Timeout | undefined;
  #beats = 0;
  /** Partitions that it has beyond its share, since nobody else does. */
  readonly #adopted = new Set<Partition>();
  readonly #suspects = new Set<number>();
  #unwantedSince: number | undefined;
  #isStopped = false;
  #isLooking = false;
  #isLost = false;

  constructor(options: ReaderOptions, credit: number) {
    this.#options = options;
    this.#credit = credit;
  }

  /** Resolves to how many partitions there are, once they can be read. Rejects with a `BindingError`. */
  async begin(signal: AbortSignal): Promise<number> {
    const { shared, report } = this.#options;
    const slow = setTimeout(() => {
      report(`the relay is not connected: ${shared.trouble ?? "no answer yet"}`);
    }, slowConnecting);
    const until = AbortSignal.any([signal, this.#ended.signal]);
    const link = await shared.get(until).finally(() => clearTimeout(slow));
    report("");
    const partitions = await this.#setUp(link);
    this.#running = this.#run(link);
    this.#beat = setInterval(() => this.#onBeat(), this.#options.times.beat);
    return partitions;
  }

  /** How many of the partitions this replica has now. */
  get held(): { readonly count: number; readonly of: number } {
    return { count: this.#had.length, of: this.#partitions.length };
  }

  credit(events: number): void {
    this.#credit = events;
  }

  /** Asks for nothing more. */
  stop(): void {
    this.#isStopped = true;
    for (const partition of this.#partitions) partition.stopAsking();
  }

  async flush(): Promise<void> {
    await Promise.all(this.#partitions.map((partition) => partition.flush()));
  }

  /** Gives all up: other replicas begin with what is not acknowledged. */
  async close(): Promise<void> {
    this.stop();
    clearInterval(this.#beat);
    await Promise.all(this.#partitions.map((partition) => partition.leave(0)));
    this.#ended.abort();
    await this.#running;
  }

  get #had(): Partition[] {
    return this.#partitions.filter(({ state }) => state === "held" || state === "taking over");
  }

  get #share(): number {
    return Math.ceil(this.#partitions.length / Math.max(1, this.#options.members()));
  }

  async #setUp(link: RelayLink): Promise<number> {
    refuseOldServer(link);
    const { names, settings, times } = this.#options;
    const { partitions } = await useStream(link, names, settings);
    await Promise.all(
      Array.from({ length: partitions }, (_, number) => useConsumer(link, names, number, times)),
    );
    while (this.#partitions.length < partitions) this.#partitions.push(this.#partition());
    return partitions;
  }

  #partition(): Partition {
    const { names, times, logger, deliver, redelivered } = this.#options;
    const number = this.#partitions.length;
    const partition: Partition = new Partition({
      ...{ names, times, logger, deliver, redelivered, partition: number },
      mayTake: () => this.#mayTake(partition),
      missing: () => void this.#lookForStream().catch(() => {}),
      changed: () => {
        this.#balance();
        this.#options.changed();
      },
      window: () => Math.max(leastWindow, this.#credit),
    });
    return partition;
  }

  async #run(first: RelayLink): Promise<void> {
    const { shared, logger, report } = this.#options;
    const { signal } = this.#ended;
    let link: RelayLink | undefined = first;
    while (!signal.aborted) {
      try {
        if (link === undefined) {
          link = await shared.get(signal);
          await this.#setUp(link);
          report("");
        }
        await this.#until(link);
      } catch (error) {
        if (signal.aborted) break;
        const reason = messageOf(error);
        logger.warn({ reason }, "the relay cannot be read; it is tried again");
        report(`the relay cannot be read: ${reason}`);
        await delay(setupPause, signal);
      }
      link = undefined;
    }
  }

  /** Reads until the connection is gone, or it is over. */
  async #until(link: RelayLink): Promise<void> {
    const { shared, report } = this.#options;
    const gone = Promise.withResolvers<BindingError | undefined>();
    const unsubscribe = shared.onLost(gone.resolve);
    const end = (): void => gone.resolve(undefined);
    this.#ended.signal.addEventListener("abort", end, { once: true });
    this.#link = link;
    if (link.ended !== undefined) gone.resolve(link.ended);
    this.#balance();
    const reason = await gone.promise;
    unsubscribe();
    this.#ended.signal.removeEventListener("abort", end);
    this.#link = undefined;
    for (const partition of this.#partitions) partition.disconnected();
    if (reason !== undefined) report(`the relay is not connected: ${reason.message}`);
  }

  #onBeat(): void {
    this.#beats++;
    for (const partition of this.#partitions) partition.beat();
    this.#balance();
    if (this.#beats % orphanBeats === 0) void this.#lookForOrphans().catch(() => {});
  }

  /** Asks for partitions up to its share, and gives up what it has beyond it. */
  #balance(): void {
    const link = this.#link;
    if (link === undefined || this.#isStopped) return;
    if (!this.#options.wanted()) return this.#leaveAll();
    this.#unwantedSince = undefined;
    for (const partition of this.#adopted)
      if (partition.state === "idle") this.#adopted.delete(partition);
    const had = this.#had;
    const surplus = had.length - this.#adopted.size - this.#share;
    if (surplus > 0) {
      const rest = had.filter((one) => !this.#adopted.has(one)).toSorted((a, b) => a.open - b.open);
      for (const partition of rest.slice(0, surplus)) void partition.leave();
    }
    for (const partition of this.#partitions)
      if (surplus >= 0) this.#stopAsking(partition);
      else partition.ask(link);
  }

  #stopAsking(partition: Partition): void {
    if (!this.#suspects.has(partition.number)) partition.stopAsking();
  }

  #mayTake(partition: Partition): boolean {
    if (this.#isStopped || !this.#options.wanted()) return false;
    if (this.#had.length - this.#adopted.size < this.#share) return true;
    if (!this.#suspects.delete(partition.number)) return false;
    this.#adopted.add(partition);
    return true;
  }

  /** An app that is away briefly keeps its partitions. */
  #leaveAll(): void {
    const now = performance.now();
    this.#unwantedSince ??= now;
    for (const partition of this.#partitions) partition.stopAsking();
    if (now - this.#unwantedSince < this.#options.times.beat) return;
    for (const partition of this.#had) void partition.leave();
  }

  /** A stream that was removed is made by who opens the component anew, with all that belongs to it. */
  async #lookForStream(): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#isLooking || this.#isLost) return;
    this.#isLooking = true;
    try {
      if (await isStreamThere(link, this.#options.names)) return;
      this.#isLost = true;
      const text = `the relay's stream ${this.#options.names.stream} was removed, with the events it had`;
      this.#options.lost(new BindingError("unavailable", text));
    } finally {
      this.#isLooking = false;
    }
  }

  /** Partitions with messages that no replica takes: one that should has no app, or does not see it. */
  async #lookForOrphans(): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#isStopped || !this.#options.wanted()) return;
    const before = new Set(this.#suspects);
    this.#suspects.clear();
    for (const partition of this.#partitions) {
      if (partition.state !== "idle" && !before.has(partition.number)) continue;
      const info = await partitionInfo(link, this.#options.names, partition.number);
      if (info.pin !== undefined || info.messages === 0) continue;
      this.#suspects.add(partition.number);
      if (before.has(partition.number)) partition.ask(link);
    }
  }
}

/** Few at one time would cost each message a round trip. */
const leastWindow = 16;
