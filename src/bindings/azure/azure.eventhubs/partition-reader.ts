import { ReceivingLink } from "../../../amqp-client/receiving-link.ts";
import type { InboundEvent, Reading } from "../../../binding.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import { decodeHandledRanges, type OffsetRange } from "../../../handled-ranges.ts";
import type { NamespaceConnection } from "../messaging-namespace.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint-store.ts";
import { contentOf } from "./events.ts";
import type { hubFields } from "./fields.ts";
import { HandledPrefix } from "./handled-prefix.ts";

/** Milliseconds. */
const attachTimeout = 30_000;
const checkpointPause = 500;
const storePause = 1000;
const storeTimeout = 10_000;
/** A former owner may have its last word; no more than so many are waited for. */
const mostWriters = 5;
/** The descriptor of `apache.org:selector-filter:string`. */
const selectorFilter = 0x0000_468c_0000_0004;
/** What a link ends with when another has the partition. */
export const stolen = "amqp:link:stolen";

export type PartitionOptions = {
  readonly namespace: NamespaceConnection;
  readonly store: CheckpointStore;
  readonly reading: Reading<typeof hubFields>;
  readonly hub: string;
  readonly group: string;
  readonly partition: string;
  /** The reader's name in the store. */
  readonly owner: string;
  /** Where to begin: behind this. */
  readonly from: Checkpoint;
  /** Called once when it can read no more. */
  readonly ended: (reason: BindingError) => void;
  /** The store did not take a checkpoint, which is tried again. */
  readonly storeFailed: (error: unknown) => void;
};

/** Reads one partition as long as it is ours. */
export class PartitionReader {
  readonly #options: PartitionOptions;
  readonly #prefix: HandledPrefix;
  /** What an earlier reader has handled beyond the checkpoint. */
  readonly #skipped: readonly OffsetRange[];
  readonly #revoked = new AbortController();
  #link: ReceivingLink | undefined;
  #kept: Checkpoint;
  #batch: InboundEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isLost = false;
  #isClosed = false;

  constructor(options: PartitionOptions) {
    this.#options = options;
    const { from } = options;
    this.#kept = from;
    this.#prefix = new HandledPrefix(from);
    this.#skipped = decodeHandledRanges(from.sequence + 1, from.ranges);
  }

  async start(window: number, signal: AbortSignal): Promise<void> {
    const { namespace, reading, hub, group, partition, from } = this.#options;
    const { driver, connection } = namespace;
    const { types } = driver.rhea;
    const selector = `amqp.annotation.x-opt-offset > '${from.offset.replaceAll("'", "''")}'`;
    this.#link = await ReceivingLink.open({
      ...{ driver, connection, signal, attachTimeout },
      memory: reading.memory,
      what: `the partition ${partition} of ${hub} cannot be read`,
      attach: {
        source: {
          address: `${hub}/ConsumerGroups/${group}/Partitions/${partition}`,
          filter: {
            "apache.org:selector-filter:string": types.wrap_described(selector, selectorFilter),
          },
        },
        rcv_settle_mode: 0,
        // The newest reader has the partition, as with Azure's libraries.
        properties: { "com.microsoft:epoch": types.wrap_long(0) },
      },
      message: (delivery) => this.#take(delivery.id, delivery.settled, delivery.message),
      refused() {},
      ended: (reason) => this.#end(reason),
    });
    this.#link.window(window);
  }

  window(events: number): void {
    this.#link?.window(events);
  }

  stop(): void {
    this.#link?.stop();
  }

  /** Keeps what was handled so far; resolves once the store has it. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing?.catch(() => {});
    this.#writing = this.#write();
    await this.#writing;
  }

  /** Reads no more, and keeps what was handled while the partition is ours. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#revoked.abort();
    await this.#link?.close();
    await this.flush().catch(() => {});
    this.#isLost = true;
  }

  /** Another has it: its checkpoint is the other's, too. */
  async lose(): Promise<void> {
    this.#isLost = true;
    await this.close();
  }

  #take(id: number, settled: boolean, message: Buffer): void {
    const { reading, partition } = this.#options;
    const { enableInOrderMessageDelivery, getAllMessageProperties } = reading.metadata;
    const content = contentOf(message, partition, getAllMessageProperties);
    const { sequence, offset, partitionKey, ...event } = content;
    const handled = this.#note(sequence, offset);
    const done = (): void => {
      if (settled) this.#link?.release(id);
      else this.#link?.settle(id, "accepted");
    };
    if (this.#skipped.some(({ first, last }) => sequence >= first && sequence <= last)) {
      handled();
      return done();
    }
    this.#batch.push({
      ...event,
      key: enableInOrderMessageDelivery ? partition : partitionKey,
      revoked: this.#revoked.signal,
      settle: ({ outcome }) => {
        if (outcome === "handled") {
          handled();
          this.#writeLater(checkpointPause);
        }
        done();
      },
    });
    if (this.#batch.length === 1) queueMicrotask(() => this.#deliver());
  }

  /** Where an event is not known of one that cannot be read: a checkpoint passes it with the next. */
  #note(sequence: number, offset: string): () => void {
    const { reading, partition } = this.#options;
    const before = this.#prefix.delivered;
    if (sequence < 0) return this.#prefix.deliver(before.sequence, before.offset);
    const missing = before.sequence < 0 ? 0 : sequence - before.sequence - 1;
    if (missing > 0) {
      const told = { partition, events: missing };
      reading.logger.warn(told, "the hub has dropped events before they were read");
      reading.missed?.(missing, "retention");
    }
    return this.#prefix.deliver(sequence, offset);
  }

  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    const { reading, partition } = this.#options;
    reading.deliver(batch, partition).catch((error: unknown) => {
      this.#end(new BindingError("internal", messageOf(error), { cause: error }));
    });
  }

  #writeLater(pause: number): void {
    if (this.#timer !== undefined || this.#isLost || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.flush().catch((error: unknown) => {
        this.#options.storeFailed(error);
        this.#writeLater(storePause);
      });
    }, pause);
  }

  async #write(): Promise<void> {
    const { store, partition } = this.#options;
    const { checkpoint } = this.#prefix;
    const { sequence, ranges } = this.#kept;
    const isKept = checkpoint.sequence === sequence && checkpoint.ranges === ranges;
    if (this.#isLost || isKept || checkpoint.sequence < sequence) return;
    const signal = AbortSignal.timeout(storeTimeout);
    let { etag } = this.#kept;
    for (let writers = 0; writers < mostWriters; writers++) {
      const wanted = { ...checkpoint, partition, etag };
      const written = await store.checkpoint(wanted, signal);
      if (written !== undefined) {
        this.#kept = { ...wanted, etag: written };
        return;
      }
      // Another has written it since: the former owner, or one that has taken the partition.
      if (!(await this.#isOurs(signal))) return this.#loseOwnership();
      const now = (await store.checkpoints(signal)).get(partition);
      etag = now?.etag ?? "";
      if (now !== undefined && now.sequence >= checkpoint.sequence) {
        this.#kept = now;
        return;
      }
    }
  }

  async #isOurs(signal: AbortSignal): Promise<boolean> {
    const { store, partition, owner } = this.#options;
    const owned = await store.ownerships(signal);
    return owned.some((one) => one.partition === partition && one.owner === owner);
  }

  #loseOwnership(): void {
    const { partition } = this.#options;
    const text = `another reader has taken the partition ${partition}`;
    this.#end(new BindingError("aborted", text, { systemCode: stolen }));
  }

  #end(reason: BindingError): void {
    if (reason.systemCode === stolen) this.#isLost = true;
    this.#revoked.abort();
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#options.ended(reason);
  }
}
