import type { Reading } from "../../../binding.ts";
import { delay } from "../../../delay.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import { BackOff } from "../../../feed/back-off.ts";
import { codeOf, type Batch, type ConsumerGroup } from "./consumer-group.ts";
import type { slsFields } from "./fields.ts";
import { logEvent } from "./log-event.ts";
import { ShardPosition } from "./shard-position.ts";

export type ShardOptions = {
  readonly group: ConsumerGroup;
  readonly shard: number;
  readonly reading: Reading<typeof slsFields>;
  /** Told when the shard cannot be read, nor another. */
  readonly lost: (reason: unknown) => void;
  /** Told when the shard is another member's, or is there no more: nothing of it is confirmed any more. */
  readonly gone: () => void;
};

/** How long at least between two checkpoints, in milliseconds. */
const checkpointPause = 250;
const notOurs: ReadonlySet<string> = new Set([
  ...["ConsumerNotExsit", "ConsumerNotExist", "ConsumerNotMatch"],
  ...["ShardNotExsit", "ShardNotExist"],
]);

/** Reads one shard from the group's checkpoint on, and moves that behind each batch once all before it was handled. */
export class ShardReader {
  readonly #options: ShardOptions;
  readonly #reading = new AbortController();
  readonly #backOff = new BackOff();
  /** `undefined`: it is not known yet. */
  #position: ShardPosition | undefined;
  #storing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isGone = false;
  /** An event was returned: the checkpoint does not go on. */
  #isHalted = false;
  #idle: (() => void) | undefined;
  readonly #running: Promise<void>;

  constructor(options: ShardOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Reads no more. What was delivered can still be settled. */
  stop(): void {
    this.#reading.abort();
  }

  /** Reads no more, and resolves once all that was delivered is settled and confirmed: then another member may have it. */
  async leave(): Promise<void> {
    this.stop();
    await this.#running;
    const isBusy = this.#position?.isIdle === false && !this.#isHalted && !this.#isGone;
    if (isBusy) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.flush();
  }

  /** Confirms what was handled so far. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const storing = this.#storing.then(() => this.#store());
    this.#storing = storing.catch(() => undefined);
    return storing;
  }

  /** Confirms nothing any more. */
  close(): void {
    this.stop();
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#idle?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#reading;
    let cursor: string | undefined;
    while (!signal.aborted) {
      try {
        cursor ??= await this.#begin(signal);
        cursor = await this.#readOn(cursor, signal);
        this.#backOff.reset();
      } catch (error) {
        if (signal.aborted) return;
        if (codeOf(error) === "InvalidCursor") cursor = await this.#beginAnew(signal);
        else await this.#failed(error, signal);
      }
    }
  }

  /** Where the group has come to, or where it begins; that is kept, so that a restart does not begin elsewhere. */
  async #begin(signal: AbortSignal): Promise<string> {
    const { group, shard, reading } = this.#options;
    let cursor = await group.checkpointOf(shard, signal);
    if (cursor === undefined) {
      const from = reading.metadata.startFrom === "oldest" ? "begin" : "end";
      cursor = await group.cursorOf(shard, from, signal);
      await group.checkpoint(shard, cursor, signal);
    }
    const { project, logstore, group: name } = group.place;
    const source = `${reading.metadata.endpoint} ${project} ${logstore} ${name}`;
    const kept = await reading.checkpoints.open(String(shard), source);
    this.#position = new ShardPosition(kept, cursor);
    return cursor;
  }

  /** The logs at the cursor are deleted: the oldest that are there come next. */
  async #beginAnew(signal: AbortSignal): Promise<string | undefined> {
    const { group, shard, reading } = this.#options;
    reading.logger.warn({ shard: String(shard) }, "logs were deleted before they were read");
    try {
      return await group.cursorOf(shard, "begin", signal);
    } catch (error) {
      await this.#failed(error, signal);
      return undefined;
    }
  }

  async #readOn(cursor: string, signal: AbortSignal): Promise<string> {
    const { group, shard, reading } = this.#options;
    const { batchSize, pollInterval } = reading.metadata;
    const end = this.#position?.nextEnd;
    const batch = await group.pull(shard, { cursor, end, count: batchSize }, signal);
    if (signal.aborted) return cursor;
    await this.#deliver(batch, cursor);
    if (batch.logs.length === 0) await delay(pollInterval, signal);
    return batch.next;
  }

  async #deliver({ logs, next }: Batch, cursor: string): Promise<void> {
    const position = this.#position;
    if (position === undefined || (logs.length === 0 && next === cursor)) return;
    const { group, shard, reading } = this.#options;
    const { inOrder, dataKey } = reading.metadata;
    const { skipped, handled } = await position.take(next, logs.length);
    const options = { place: group.place, shard, inOrder, dataKey: dataKey || undefined };
    const events = logs.slice(skipped).map((log, n) =>
      logEvent(log, { ...options, id: `${shard}:${cursor}:${n + skipped}` }, ({ outcome }) => {
        // What is returned comes again when the shard is read anew: the checkpoint does not pass it.
        if (outcome !== "handled") return this.#returned();
        handled(n + skipped);
        this.#advance();
      }),
    );
    if (events.length === 0) this.#advance();
    else await reading.deliver(events, `shard ${shard}`);
  }

  #returned(): void {
    this.#isHalted = true;
    this.#idle?.();
  }

  #advance(): void {
    const position = this.#position;
    if (position?.isIdle === true) this.#idle?.();
    if (position !== undefined && position.handled !== position.stored) this.#storeSoon();
  }

  #storeSoon(): void {
    if (this.#isGone) return;
    this.#timer ??= setTimeout(() => {
      this.flush().catch((error: unknown) => {
        const { logger } = this.#options.reading;
        logger.warn(
          { shard: String(this.#options.shard), reason: messageOf(error) },
          "checkpoint not stored",
        );
        this.#storeSoon();
      });
    }, checkpointPause);
  }

  async #store(): Promise<void> {
    const position = this.#position;
    if (this.#isGone || position === undefined) return;
    const { group, shard } = this.#options;
    const { handled } = position;
    try {
      if (handled !== position.stored) {
        await group.checkpoint(shard, handled, new AbortController().signal);
        position.storedAt(handled);
      }
    } catch (error) {
      if (!notOurs.has(codeOf(error) ?? "")) throw error;
      this.#leaveToOthers();
    }
    // The service has what counts; without this, more of a batch comes again.
    await position.flush().catch(() => undefined);
  }

  #leaveToOthers(): void {
    this.close();
    this.#options.gone();
  }

  /** A refusal ends the reading of all shards; after anything else it is tried again, after growing pauses. */
  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { shard, reading, lost } = this.#options;
    if (notOurs.has(codeOf(error) ?? "")) return this.#leaveToOthers();
    if (error instanceof BindingError && error.effect === "rejected") {
      this.stop();
      return lost(error);
    }
    reading.logger.warn(
      { shard: String(shard), reason: messageOf(error) },
      "the shard cannot be read at present",
    );
    await delay(this.#backOff.next(), signal);
  }
}
