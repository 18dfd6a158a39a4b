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
const checkpointTimeout = 10_000;
/** The descriptor of `apache.org:selector-filter:string`. */
const selectorFilter = 0x0000_468c_0000_0004;

export type PartitionOptions = {
  readonly namespace: NamespaceConnection;
  readonly store: CheckpointStore;
  readonly reading: Reading<typeof hubFields>;
  readonly hub: string;
  readonly partition: string;
  /** Where to begin: behind this. */
  readonly from: Checkpoint;
  /** Called once when it can read no more. `stolen`: another reader has it. */
  readonly ended: (reason: BindingError, stolen: boolean) => void;
};

/** Reads one partition as long as it is ours. */
export class PartitionReader {
  readonly partition: string;
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

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.partition = options.partition;
    const { from } = options;
    this.#kept = from;
    this.#prefix = new HandledPrefix(from);
    this.#skipped = decodeHandledRanges(from.sequence + 1, from.ranges);
  }

  async start(window: number, signal: AbortSignal): Promise<void> {
    const { namespace, reading, hub, partition, from } = this.#options;
    const { driver, connection } = namespace;
    const { types } = driver.rhea;
    const address = `${hub}/ConsumerGroups/${reading.metadata.consumerGroup}/Partitions/${partition}`;
    const selector = `amqp.annotation.x-opt-offset > '${from.offset}'`;
    this.#link = await ReceivingLink.open({
      ...{ driver, connection, signal, attachTimeout },
      memory: reading.memory,
      what: `the partition ${partition} of ${hub} cannot be read`,
      attach: {
        source: {
          address,
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

  /** Reads no more: the partition is another's, or nobody's. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#revoked.abort();
    await this.#link?.close();
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
    const handled = this.#prefix.deliver(sequence, offset);
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
          this.#writeSoon();
        }
        done();
      },
    });
    if (this.#batch.length === 1) queueMicrotask(() => this.#deliver());
  }

  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    const { reading, partition } = this.#options;
    reading.deliver(batch, partition).catch((error: unknown) => {
      this.#end(new BindingError("internal", messageOf(error), { cause: error }));
    });
  }

  #writeSoon(): void {
    if (this.#timer !== undefined || this.#isLost) return;
    this.#timer = setTimeout(() => {
      this.flush().catch((error: unknown) => this.#end(BindingError.from(error)));
    }, checkpointPause);
  }

  async #write(): Promise<void> {
    const { checkpoint } = this.#prefix;
    const { sequence, ranges, etag: known } = this.#kept;
    if (this.#isLost || (checkpoint.sequence === sequence && checkpoint.ranges === ranges)) return;
    const { store, partition } = this.#options;
    const wanted = { ...checkpoint, partition, etag: known };
    const etag = await store.checkpoint(wanted, AbortSignal.timeout(checkpointTimeout));
    if (etag !== undefined) {
      this.#kept = { ...wanted, etag };
      return;
    }
    const text = `another reader has written the checkpoint of partition ${partition}`;
    this.#isLost = true;
    this.#end(new BindingError("failed_precondition", text), true);
  }

  #end(reason: BindingError, isStolen = reason.systemCode === "amqp:link:stolen"): void {
    if (isStolen) this.#isLost = true;
    this.#revoked.abort();
    clearTimeout(this.#timer);
    this.#options.ended(reason, isStolen);
  }
}
