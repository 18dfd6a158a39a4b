import { randomUUID } from "node:crypto";
import type { Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import type { NamespaceConnection } from "../messaging-namespace.ts";
import { statusOf } from "../messaging-namespace.ts";
import { claimsOf } from "./balance.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint-store.ts";
import type { hubFields } from "./fields.ts";
import { PartitionReader } from "./partition-reader.ts";

const storeTimeout = 15_000;

type Owned = { readonly reader: PartitionReader; etag: string; renewed: number };

/** Reads the partitions that are ours, and shares them with the other readers of the consumer group. */
export class HubReader implements Reader {
  readonly #namespace: NamespaceConnection;
  readonly #reading: Reading<typeof hubFields>;
  readonly #store: CheckpointStore;
  readonly #hub: string;
  readonly #me = randomUUID();
  readonly #owned = new Map<string, Owned>();
  readonly #stopping = new AbortController();
  #partitions: readonly string[] = [];
  #window: number;
  #round: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failed = false;

  constructor(
    namespace: NamespaceConnection,
    store: CheckpointStore,
    hub: string,
    reading: Reading<typeof hubFields>,
  ) {
    this.#namespace = namespace;
    this.#store = store;
    this.#hub = hub;
    this.#reading = reading;
    this.#window = reading.maxInFlight;
  }

  async start(): Promise<void> {
    const { signal } = this.#reading;
    await this.#store.ensure(signal);
    await this.#namespace.authorize(this.#hub, signal);
    this.#partitions = await this.#listPartitions(signal);
    await this.#balance();
    this.#schedule();
  }

  credit(events: number): void {
    this.#window = events;
    for (const { reader } of this.#owned.values()) reader.window(this.#share());
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
    await this.#round?.catch(() => {});
    const owned = [...this.#owned];
    this.#owned.clear();
    await Promise.all(
      owned.map(async ([partition, { reader, etag }]) => {
        await reader.close();
        const signal = AbortSignal.timeout(storeTimeout);
        await this.#store.claim(partition, "", etag, signal).catch(() => {});
      }),
    );
  }

  #share(): number {
    return Math.max(1, Math.floor(this.#window / Math.max(1, this.#owned.size)));
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return;
    const { loadBalancingInterval } = this.#reading.metadata;
    // Not all at the same moment.
    const wait = loadBalancingInterval * (0.9 + Math.random() * 0.2);
    this.#timer = setTimeout(() => {
      this.#round = this.#balance()
        .catch((error: unknown) => this.#storeFailed(error))
        .finally(() => this.#schedule());
    }, wait);
    this.#timer.unref();
  }

  async #balance(): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(storeTimeout)]);
    const { ownershipExpiration } = this.#reading.metadata;
    const ownerships = await this.#store.ownerships(signal);
    await Promise.all(
      [...this.#owned].map(([partition, one]) => this.#renew(partition, one, signal)),
    );
    const wanted = claimsOf(this.#partitions, ownerships, this.#me, ownershipExpiration);
    if (wanted.length === 0) return;
    const etags = new Map(ownerships.map(({ partition, etag }) => [partition, etag]));
    const claimed: [string, string][] = [];
    for (const partition of wanted) {
      if (this.#owned.has(partition)) continue;
      const etag = await this.#store.claim(partition, this.#me, etags.get(partition) ?? "", signal);
      if (etag !== undefined) claimed.push([partition, etag]);
    }
    const checkpoints = await this.#store.checkpoints(signal);
    for (const [partition, etag] of claimed)
      await this.#read(partition, etag, checkpoints.get(partition), signal);
    for (const { reader } of this.#owned.values()) reader.window(this.#share());
  }

  async #renew(partition: string, one: Owned, signal: AbortSignal): Promise<void> {
    const etag = await this.#store.claim(partition, this.#me, one.etag, signal);
    if (etag === undefined) {
      this.#owned.delete(partition);
      await one.reader.lose();
      return;
    }
    one.etag = etag;
    one.renewed = performance.now();
  }

  async #read(
    partition: string,
    etag: string,
    checkpoint: Checkpoint | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const from = checkpoint ?? (await this.#begin(partition, signal));
    const reader = new PartitionReader({
      ...{ namespace: this.#namespace, store: this.#store, reading: this.#reading },
      ...{ hub: this.#hub, partition, from },
      ended: (reason, stolen) => this.#ended(partition, reader, reason, stolen),
    });
    this.#owned.set(partition, { reader, etag, renewed: performance.now() });
    try {
      await reader.start(this.#share(), this.#stopping.signal);
    } catch (error) {
      this.#owned.delete(partition);
      if (error instanceof BindingError && error.systemCode === "amqp:link:stolen") return;
      throw error;
    }
  }

  /** A partition is read for the first time. Where that is, is kept at once: what comes meanwhile is not to be missed. */
  async #begin(partition: string, signal: AbortSignal): Promise<Checkpoint> {
    const none = { partition, sequence: -1, offset: "-1", ranges: "", etag: "" };
    if (this.#reading.metadata.startFrom === "earliest") return none;
    const body = await this.#ask({ type: "com.microsoft:partition", partition }, signal);
    const sequence = Number(body["last_enqueued_sequence_number"]);
    if (!(sequence >= 0)) return none;
    const offset = String(body["last_enqueued_offset"]);
    const latest = { partition, sequence, offset, ranges: "", etag: "" };
    const etag = await this.#store.checkpoint(latest, signal);
    return { ...latest, etag: etag ?? "" };
  }

  async #listPartitions(signal: AbortSignal): Promise<readonly string[]> {
    const { partition_ids: ids } = await this.#ask({ type: "com.microsoft:eventhub" }, signal);
    if (!Array.isArray(ids) || ids.length === 0)
      throw new BindingError("unavailable", `${this.#hub} names no partitions`, {
        effect: "unsent",
      });
    return ids.map(String);
  }

  async #ask(
    what: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const node = await this.#namespace.management("", this.#hub, signal);
    const { properties, body } = await node.request(
      { operation: "READ", name: this.#hub, ...what },
      "",
      signal,
    );
    const { code, text, condition } = statusOf(properties);
    if (code === 200 && typeof body === "object" && body !== null)
      return body as Readonly<Record<string, unknown>>;
    throw new BindingError(
      code === 404 ? "not_found" : code === 401 ? "permission_denied" : "unavailable",
      `the event hub ${this.#hub} cannot be read: ${text} (${code})`,
      { effect: "unsent", systemCode: condition ?? String(code) },
    );
  }

  #ended(partition: string, reader: PartitionReader, reason: BindingError, stolen: boolean): void {
    if (this.#owned.get(partition)?.reader !== reader) return;
    if (!stolen) return this.#lose(reason);
    // It is claimed again, where it is still ours by the store.
    this.#owned.delete(partition);
    void reader.lose();
  }

  /** Ownership lasts a while without the store, and no longer. */
  #storeFailed(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { ownershipExpiration } = this.#reading.metadata;
    const oldest = Math.min(...[...this.#owned.values()].map(({ renewed }) => renewed));
    if (this.#owned.size > 0 && performance.now() - oldest < ownershipExpiration) return;
    this.#lose(BindingError.from(error, "unavailable", "unsent"));
  }

  #lose(reason: BindingError): void {
    if (this.#failed || this.#stopping.signal.aborted) return;
    this.#failed = true;
    this.stop();
    this.#reading.lost(reason);
  }
}
