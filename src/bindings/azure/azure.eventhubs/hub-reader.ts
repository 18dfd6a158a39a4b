import { randomUUID } from "node:crypto";
import type { Reader, Reading } from "../../../binding.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import type { NamespaceConnection } from "../messaging-namespace.ts";
import { claimsOf } from "./balance.ts";
import type { Checkpoint, CheckpointStore, KeptCheckpoint, Ownership } from "./checkpoint-store.ts";
import type { hubFields } from "./fields.ts";
import { describeHub, lastOf } from "./hub-properties.ts";
import { PartitionReader, stolen } from "./partition-reader.ts";

/** Milliseconds. */
const storeTimeout = 15_000;
/** In so many rounds it is asked once which partitions there are. */
const roundsBetweenLists = 6;
/** Milliseconds by which the clocks of the hub and of its store may differ; blobs are dated to the second. */
const clockSlack = 5000;

type Owned = { readonly reader: PartitionReader; etag: string; renewed: number };

export type HubReaderOptions = {
  readonly namespace: NamespaceConnection;
  readonly store: CheckpointStore;
  readonly hub: string;
  readonly group: string;
  readonly reading: Reading<typeof hubFields>;
};

/** Reads the partitions that are ours, and shares them with the other readers of the consumer group. */
export class HubReader implements Reader {
  readonly #options: HubReaderOptions;
  readonly #me = randomUUID();
  readonly #owned = new Map<string, Owned>();
  readonly #stopping = new AbortController();
  #partitions: readonly string[] = [];
  /** Those that were there when reading began. */
  #first: ReadonlySet<string> | undefined;
  #created = 0;
  #rounds = 0;
  #window: number;
  #round: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #condition = "";
  #failed = false;

  constructor(options: HubReaderOptions) {
    this.#options = options;
    this.#window = options.reading.maxInFlight;
  }

  async start(): Promise<void> {
    const { store, namespace, hub, reading } = this.#options;
    await store.ensure(reading.signal);
    await namespace.authorize(hub, reading.signal);
    this.#round = this.#balance();
    await this.#round;
    this.#schedule();
  }

  credit(events: number): void {
    this.#window = events;
    this.#shareWindow();
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    for (const { reader } of this.#owned.values()) reader.stop();
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#owned.values()].map(({ reader }) => reader.flush()));
  }

  /** What is ours is given up, so that others need not wait until it has expired. */
  async close(): Promise<void> {
    this.stop();
    await this.#round.catch(() => {});
    const owned = [...this.#owned];
    this.#owned.clear();
    await Promise.all(
      owned.map(async ([partition, { reader, etag }]) => {
        await reader.close();
        await this.#giveUp(partition, etag);
      }),
    );
  }

  #isEnding(): boolean {
    return this.#stopping.signal.aborted || this.#options.reading.signal.aborted;
  }

  #shareWindow(): void {
    const share = this.#share(this.#owned.size);
    for (const { reader } of this.#owned.values()) reader.window(share);
  }

  #share(partitions: number): number {
    return Math.max(1, Math.floor(this.#window / Math.max(1, partitions)));
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return;
    const { loadBalancingInterval } = this.#options.reading.metadata;
    // Not all readers at the same moment.
    const wait = loadBalancingInterval * (0.9 + Math.random() * 0.2);
    this.#timer = setTimeout(() => {
      this.#round = this.#balance().then(
        () => this.#report(""),
        (error: unknown) => this.#roundFailed(error),
      );
      void this.#round.then(() => this.#schedule());
    }, wait);
    this.#timer.unref();
  }

  /** Renews what is ours, takes what is to be ours, and begins to read it. A claim that was sent is seen through. */
  async #balance(): Promise<void> {
    const signal = AbortSignal.timeout(storeTimeout);
    const { store, namespace, hub } = this.#options;
    if (this.#rounds++ % roundsBetweenLists === 0) {
      const { partitions, created } = await describeHub(namespace, hub, signal);
      this.#partitions = partitions;
      this.#first ??= new Set(partitions);
      this.#created = created;
    }
    const ownerships = await store.ownerships(signal);
    await Promise.all(
      [...this.#owned].map(([partition, one]) => this.#renew(partition, one, signal)),
    );
    const wanted = this.#wanted(ownerships);
    const claimed: [partition: string, etag: string][] = [];
    for (const [partition, tag] of wanted) {
      if (this.#isEnding()) break;
      const etag = await store.claim(partition, this.#me, tag, signal);
      if (etag !== undefined) claimed.push([partition, etag]);
    }
    if (claimed.length === 0) return;
    try {
      const checkpoints = await store.checkpoints(signal);
      const share = this.#share(this.#owned.size + claimed.length);
      for (const { reader } of this.#owned.values()) reader.window(share);
      const begun = await Promise.allSettled(
        claimed.map(([partition, etag]) =>
          this.#read(partition, etag, checkpoints.get(partition), share, signal),
        ),
      );
      const failed = begun.find((one) => one.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    } catch (error) {
      const unread = claimed.filter(([partition]) => !this.#owned.has(partition));
      await Promise.all(unread.map(([partition, etag]) => this.#giveUp(partition, etag)));
      if (!this.#isEnding()) throw error;
    }
  }

  /** What to claim, each with its tag: that which is ours and is not read, and more up to our share. */
  #wanted(ownerships: readonly Ownership[]): Map<string, string> {
    const { ownershipExpiration } = this.#options.reading.metadata;
    const etags = new Map(ownerships.map(({ partition, etag }) => [partition, etag]));
    const ours = ownerships.filter(({ owner }) => owner === this.#me);
    const names = [
      ...ours.map(({ partition }) => partition),
      ...claimsOf(this.#partitions, ownerships, this.#me, ownershipExpiration),
    ].filter((partition) => !this.#owned.has(partition));
    return new Map(names.map((partition) => [partition, etags.get(partition) ?? ""]));
  }

  async #renew(partition: string, one: Owned, signal: AbortSignal): Promise<void> {
    const etag = await this.#options.store.claim(partition, this.#me, one.etag, signal);
    if (etag === undefined) {
      if (this.#owned.get(partition) === one) this.#owned.delete(partition);
      await one.reader.lose();
      return;
    }
    one.etag = etag;
    one.renewed = performance.now();
  }

  async #read(
    partition: string,
    etag: string,
    checkpoint: KeptCheckpoint | undefined,
    share: number,
    signal: AbortSignal,
  ): Promise<void> {
    const from = await this.#from(partition, checkpoint, signal);
    const { namespace, store, hub, group, reading } = this.#options;
    const reader = new PartitionReader({
      ...{ namespace, store, hub, group, reading, partition, from, owner: this.#me },
      ended: (reason) => this.#ended(partition, reader, reason),
      storeFailed: (error) => this.#storeFailed(error),
    });
    this.#owned.set(partition, { reader, etag, renewed: performance.now() });
    try {
      await reader.start(share, AbortSignal.any([this.#stopping.signal, reading.signal]));
    } catch (error) {
      this.#owned.delete(partition);
      await reader.lose();
      if (!(error instanceof BindingError) || error.systemCode !== stolen) throw error;
      this.#report(
        `partition ${partition} is read by a client of a higher owner level, which is no member of the consumer group's store`,
      );
      await this.#giveUp(partition, etag);
    }
  }

  /** Where a partition begins that is read for the first time is kept at once: what comes meanwhile is not to be missed. */
  async #from(
    partition: string,
    known: KeptCheckpoint | undefined,
    signal: AbortSignal,
  ): Promise<Checkpoint> {
    const { store, namespace, hub, reading } = this.#options;
    const beginning = { partition, sequence: -1, offset: "-1", ranges: "", etag: "" };
    if (known !== undefined) {
      if (known.modified + clockSlack >= this.#created) return known;
      reading.logger.warn({ partition }, "the hub was made anew: it is read from its beginning");
      return { ...beginning, etag: known.etag };
    }
    const isNew = this.#first?.has(partition) === false;
    if (isNew || reading.metadata.startFrom === "earliest") return beginning;
    const last = await lastOf(namespace, hub, partition, signal);
    const latest = last === undefined ? beginning : { ...beginning, ...last };
    const etag = await store.checkpoint(latest, signal);
    return { ...latest, etag: etag ?? "" };
  }

  async #giveUp(partition: string, etag: string): Promise<void> {
    const signal = AbortSignal.timeout(storeTimeout);
    // Otherwise it expires.
    await this.#options.store.claim(partition, "", etag, signal).catch(() => {});
  }

  #ended(partition: string, reader: PartitionReader, reason: BindingError): void {
    if (this.#owned.get(partition)?.reader !== reader) return;
    if (reason.systemCode !== stolen) return this.#lose(reason);
    // Where it is still ours by the store it is claimed again.
    this.#owned.delete(partition);
    void reader.lose();
    this.#shareWindow();
  }

  #roundFailed(error: unknown): void {
    // The link or the hub says so; the connection's end has its own way.
    if (error instanceof BindingError && error.effect === "rejected") return this.#lose(error);
    this.#storeFailed(error);
  }

  /** Ownership lasts a while without the store, and no longer. */
  #storeFailed(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { ownershipExpiration } = this.#options.reading.metadata;
    const oldest = Math.min(...[...this.#owned.values()].map(({ renewed }) => renewed));
    if (this.#owned.size > 0 && performance.now() - oldest < ownershipExpiration)
      return this.#report(`ownership and checkpoints cannot be kept: ${messageOf(error)}`);
    this.#lose(BindingError.from(error, "unavailable", "unsent"));
  }

  #report(condition: string): void {
    if (condition === this.#condition) return;
    this.#condition = condition;
    this.#options.reading.report?.(condition, false);
  }

  #lose(reason: BindingError): void {
    if (this.#failed || this.#stopping.signal.aborted) return;
    this.#failed = true;
    this.stop();
    this.#options.reading.lost(reason);
  }
}
