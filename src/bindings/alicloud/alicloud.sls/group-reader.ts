import type { Reader, Reading } from "../../../binding.ts";
import { delay } from "../../../delay.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { slsFields } from "./fields.ts";
import { ShardReader } from "./shard-reader.ts";

/** After so many intervals without a heart-beat the shards are another member's, but not before ten seconds. */
const intervalsMissed = 3;
const shortestTimeout = 10_000;
/** How long a heart-beat may take, in milliseconds. */
const beatTimeout = 5_000;

/** Reads the shards that the service gives to this member of the group. */
export class GroupReader implements Reader {
  readonly #group: ConsumerGroup;
  readonly #reading: Reading<typeof slsFields>;
  readonly #shards = new Map<number, ShardReader>();
  /** Those that are not its own any more, until all that was delivered of them is settled. */
  readonly #leaving = new Set<ShardReader>();
  readonly #ended = new AbortController();
  #stopped = false;
  /** Milliseconds. */
  readonly #timeout: number;
  #beatAt = performance.now();

  constructor(group: ConsumerGroup, reading: Reading<typeof slsFields>) {
    this.#group = group;
    this.#reading = reading;
    const { heartbeatInterval } = reading.metadata;
    this.#timeout = Math.max(shortestTimeout, intervalsMissed * heartbeatInterval);
  }

  /** Resolves once it is a member. Rejects with a `BindingError`. */
  async start(): Promise<this> {
    const { metadata, logger, signal } = this.#reading;
    const timeout = Math.ceil(this.#timeout / 1000);
    try {
      await this.#group.create(timeout, metadata.inOrder, signal);
    } catch (error) {
      // Another one may have created it who is allowed to.
      if (!isDenied(error)) throw error;
      logger.debug({ reason: messageOf(error) }, "the consumer group cannot be created from here");
    }
    await this.#beat(signal);
    void this.#beatOn();
    return this;
  }

  stop(): void {
    this.#stopped = true;
    for (const shard of this.#shards.values()) shard.stop();
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.flush()));
  }

  close(): void {
    this.#ended.abort();
    for (const shard of this.#shards.values()) shard.close();
    this.#shards.clear();
  }

  async #beatOn(): Promise<void> {
    const { signal } = this.#ended;
    const { heartbeatInterval } = this.#reading.metadata;
    for (;;) {
      // One without a shard asks sooner: another member may leave.
      const pause = this.#shards.size === 0 ? heartbeatInterval / 4 : heartbeatInterval;
      await delay(pause, signal);
      if (signal.aborted) return;
      try {
        await this.#beat(AbortSignal.any([signal, AbortSignal.timeout(beatTimeout)]));
      } catch (error) {
        if (signal.aborted) return;
        const isOver = performance.now() - this.#beatAt > this.#timeout || isRefused(error);
        if (isOver) return this.#reading.lost(error);
        this.#reading.logger.warn({ reason: messageOf(error) }, "heart-beat not answered");
      }
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const begun = performance.now();
    const own = new Set(await this.#group.heartbeat([...this.#shards.keys()], signal));
    this.#beatAt = begun;
    if (this.#stopped || this.#ended.signal.aborted) return;
    for (const shard of own) if (!this.#shards.has(shard)) this.#take(shard);
    for (const [shard, reader] of this.#shards) if (!own.has(shard)) this.#leave(shard, reader);
  }

  #take(shard: number): void {
    const { lost } = this.#reading;
    const gone = (): void => this.#forget(shard, reader);
    const options = { group: this.#group, shard, reading: this.#reading, lost, gone };
    const reader = new ShardReader(options);
    this.#shards.set(shard, reader);
  }

  /** It is named in heart-beats until nothing of it is under way: nobody else has it before. */
  #leave(shard: number, reader: ShardReader): void {
    if (this.#leaving.has(reader)) return;
    this.#leaving.add(reader);
    reader.leave().then(
      () => this.#forget(shard, reader),
      (error: unknown) => {
        const reason = messageOf(error);
        this.#reading.logger.warn({ shard: String(shard), reason }, "checkpoint not stored");
        this.#forget(shard, reader);
      },
    );
  }

  #forget(shard: number, reader: ShardReader): void {
    this.#leaving.delete(reader);
    if (this.#shards.get(shard) === reader) this.#shards.delete(shard);
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof BindingError && error.effect === "rejected";
}

function isDenied(error: unknown): boolean {
  return error instanceof BindingError && error.reason === "permission_denied";
}
