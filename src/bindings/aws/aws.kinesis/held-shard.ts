import type { InboundEvent, Logger } from "../../../binding.ts";
import { delay } from "../../../delay.ts";
import { BindingError } from "../../../errors.ts";
import { BackOff } from "../../../feed/back-off.ts";
import { eventsOf } from "./events.ts";
import { shardEnd } from "./lease-table.ts";
import type { LeaseTable } from "./lease-table.ts";
import type { Progress } from "./progress.ts";
import type { KinesisRecord, Position, Shard, Stream } from "./stream.ts";

/** Why a shard is read no more. */
export type Ended = "taken by another" | "lease expired" | "handed over" | "read to its end";

export type ShardOptions = {
  readonly stream: Stream;
  readonly table: LeaseTable;
  readonly shard: Shard;
  readonly worker: string;
  readonly progress: Progress;
  /** Where it begins where nothing was handled. */
  readonly start: Position;
  /** It begins with what comes from now on. */
  readonly isNew: boolean;
  /** When its lease was taken, as `performance.now()` counts. */
  readonly takenAt: number;
  readonly leaseDuration: number;
  readonly pollInterval: number;
  /** The ARN of the consumer whose subscriptions are read; absent: the shard is polled. */
  readonly consumer: string | undefined;
  readonly deliver: (events: readonly InboundEvent[], source: string) => Promise<void>;
  readonly logger: Logger;
  readonly ended: (why: Ended) => void;
  /** It cannot go on, and neither can others. */
  readonly failed: (error: BindingError) => void;
  /** What is so for the time being; empty: all is well. */
  readonly condition: (text: string) => void;
};

/** Kinesis allows five requests a second. Milliseconds. */
const betweenRequests = 200;
const mostRecords = 1_000;
/** Events that are handed over at one time. */
const chunk = 256;
/** Milliseconds that an answer may take. */
const patience = 10_000;
/** The most milliseconds that the app has to finish what it has when another reader asks for the shard. */
const parting = 30_000;
/** Milliseconds between two checkpoints. */
const checkpointInterval = 1_000;
const mostTries = 3;
/** Milliseconds that Kinesis wants to lie between two subscriptions of one consumer to one shard. */
const betweenSubscriptions = 5_000;
const never = new AbortController().signal;
export const transient: ReadonlySet<string> = new Set([
  "unavailable",
  "resource_exhausted",
  "deadline_exceeded",
  "internal",
]);

/** A shard whose lease this reader has: it is polled, its lease is renewed, and its checkpoint written. */
export class HeldShard {
  readonly #options: ShardOptions;
  readonly #polling = new AbortController();
  readonly #withdrawal = new AbortController();
  readonly #stopped: Promise<void>;
  readonly #backOff = new BackOff();
  readonly #tick: number;
  #position: Position;
  #limit = mostRecords;
  #tries = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #writing: Promise<void> | undefined;
  #hasWarned = false;
  /** Until when the lease is ours, as `performance.now()` counts. */
  #until: number;
  #renewedAt: number;
  /** All of a closed shard was fetched. */
  #isRead = false;
  #isReleasing = false;
  #isHandingOver = false;
  #isOver = false;

  constructor(options: ShardOptions) {
    this.#options = options;
    const { progress, start, takenAt, leaseDuration } = options;
    this.#position = progress.handled === undefined ? start : { after: progress.handled };
    this.#until = takenAt + leaseDuration;
    this.#renewedAt = takenAt;
    this.#tick = Math.min(checkpointInterval, leaseDuration / 4);
    const { signal } = this.#polling;
    this.#stopped = new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  get id(): string {
    return this.#options.shard.id;
  }

  /** Resolves once all that comes from then on is read. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#beat(), this.#tick);
    const { stream, isNew, consumer } = this.#options;
    const newest =
      isNew && consumer === undefined
        ? stream.iterator(this.id, "LATEST", this.#soon())
        : undefined;
    // Else it begins with the time that the table has.
    const iterator = await newest?.catch(() => undefined);
    this.#running = this.#run(iterator);
  }

  /** Asks for no more; the lease is kept. */
  async stop(): Promise<void> {
    this.#polling.abort();
    await this.#running;
  }

  /** Writes the checkpoint, if there is a new one. */
  async flush(): Promise<void> {
    await this.#writing;
    const { unstored } = this.#options.progress;
    if (this.#isOver || unstored === undefined) return;
    await this.#renew();
    if (this.#isOver || this.#options.progress.unstored !== unstored) return;
    const text = `the checkpoint of ${this.id} could not be written`;
    throw new BindingError("unavailable", text, { effect: "ambiguous" });
  }

  /** Gives the lease back, with the checkpoint. */
  async release(checkpoint?: string): Promise<boolean> {
    this.#isReleasing = true;
    await this.#writing;
    if (this.#isOver) return true;
    const { table, progress, shard, worker } = this.#options;
    const last = checkpoint ?? progress.unstored;
    progress.sending(last);
    try {
      const holding = { shard: shard.id, owner: worker };
      const row = await table.release(holding, last, AbortSignal.timeout(patience));
      if (row !== undefined) progress.storedAs(last);
      return true;
    } catch (error) {
      this.#warn(BindingError.from(error), "a lease could not be given back");
      return false;
    } finally {
      this.#isReleasing = false;
    }
  }

  /** Stops, without a word to anybody. */
  close(): void {
    this.#isOver = true;
    this.#polling.abort();
    clearInterval(this.#timer);
  }

  async #run(first: string | undefined): Promise<void> {
    const { signal } = this.#polling;
    const { consumer } = this.#options;
    let iterator = first;
    let pause = 0;
    while (!this.#isRead && !signal.aborted) {
      await delay(pause, signal);
      if (signal.aborted) return;
      try {
        if (consumer !== undefined) {
          pause = await this.#subscribe(consumer);
          continue;
        }
        iterator ??= await this.#iterator();
        const { next, pause: wanted } = await this.#poll(iterator);
        ({ iterator, pause } = { iterator: next, pause: wanted });
        this.#isWell();
      } catch (error) {
        iterator = undefined;
        pause = this.#pauseAfter(BindingError.from(error, "unavailable"));
      }
    }
  }

  #isWell(): void {
    this.#tries = 0;
    this.#backOff.reset();
    this.#options.condition("");
  }

  /** Reads one subscription to its end; resolves to the milliseconds until there may be another. */
  async #subscribe(consumer: string): Promise<number> {
    const { stream } = this.#options;
    const { signal } = this.#polling;
    const again = performance.now() + betweenSubscriptions;
    try {
      const subscription = stream.subscribe(consumer, this.id, this.#position, signal);
      for await (const { records, reached } of subscription) {
        this.#isWell();
        await this.#take(records);
        if (signal.aborted) return 0;
        if (reached !== undefined) this.#position = { after: reached };
        else {
          this.#isRead = true;
          this.#settled();
          return 0;
        }
      }
    } catch (error) {
      const isRefused = BindingError.from(error).reason === "invalid_argument";
      const otherwise = isRefused ? this.#otherwise() : undefined;
      if (otherwise === undefined) throw error;
      this.#position = otherwise;
    }
    return Math.max(betweenRequests, again - performance.now());
  }

  async #iterator(): Promise<string> {
    const { stream } = this.#options;
    try {
      return await stream.iterator(this.id, this.#position, this.#soon());
    } catch (error) {
      if (BindingError.from(error).reason !== "invalid_argument") throw error;
      const otherwise = this.#otherwise();
      if (otherwise === undefined) throw error;
      this.#position = otherwise;
      return stream.iterator(this.id, otherwise, this.#soon());
    }
  }

  /** Where to begin when Kinesis knows no such place. */
  #otherwise(): Position | undefined {
    if (typeof this.#position === "string") return undefined;
    // This clock runs ahead of that of the service.
    if ("at" in this.#position) return "LATEST";
    const facts = { shard: this.id, checkpoint: this.#position.after };
    this.#options.logger.warn(
      facts,
      "the stream does not know the checkpoint; the shard is read from its oldest record on",
    );
    return "TRIM_HORIZON";
  }

  async #poll(iterator: string): Promise<{ next: string | undefined; pause: number }> {
    const { stream, pollInterval } = this.#options;
    const { records, next, behind } = await stream.records(iterator, this.#limit, this.#soon());
    this.#limit = Math.min(mostRecords, this.#limit * 2);
    await this.#take(records);
    if (next === undefined && !this.#polling.signal.aborted) {
      this.#isRead = true;
      this.#settled();
    }
    const isCaughtUp = records.length === 0 && behind < pollInterval;
    return { next, pause: isCaughtUp ? pollInterval : betweenRequests };
  }

  /** Delivers what came, and goes on behind it. */
  async #take(records: readonly KinesisRecord[]): Promise<void> {
    const { stream, progress } = this.#options;
    const place = {
      ...{ stream: stream.name, shard: this.id, progress, revoked: this.#withdrawal.signal },
      settled: () => this.#settled(),
    };
    const last = records.at(-1);
    const events: InboundEvent[] = [];
    if (!this.#polling.signal.aborted) {
      for (const record of records) events.push(...eventsOf(record, place));
      if (last !== undefined) this.#position = { after: last.sequence };
    }
    await this.#deliver(events);
  }

  async #deliver(events: readonly InboundEvent[]): Promise<void> {
    for (let at = 0; at < events.length; at += chunk) {
      const part = events.slice(at, at + chunk);
      if (this.#polling.signal.aborted) {
        for (const { settle } of part) settle({ outcome: "returned", reason: "not handed over" });
        continue;
      }
      // Room may never come once it is to end.
      await Promise.race([this.#options.deliver(part, this.id), this.#stopped]);
    }
  }

  #pauseAfter(error: BindingError): number {
    if (this.#polling.signal.aborted) return 0;
    const { reason, systemCode } = error;
    if (systemCode === "ExpiredIteratorException") return betweenRequests;
    // The reader that had the shard before still has its subscription.
    if (transient.has(reason) || systemCode === "ResourceInUseException") {
      // Without a code it is this process that has no room for so much.
      if (reason === "resource_exhausted" && systemCode === undefined)
        this.#limit = Math.max(1, Math.floor(this.#limit / 4));
      this.#options.condition(error.message);
      this.#warn(error, "a shard cannot be read, trying again");
      return this.#backOff.next(error.retryAfter);
    }
    if (reason === "invalid_argument" && ++this.#tries < mostTries) return betweenRequests;
    this.#fail(error);
    return 0;
  }

  #settled(): void {
    if (this.#isOver || !this.#isRead || !this.#options.progress.isWhole) return;
    void this.#part("read to its end");
  }

  #beat(): void {
    if (this.#isOver) return;
    if (performance.now() >= this.#until) return this.#giveUp("lease expired");
    if (this.#isReleasing) return;
    if (this.#isRead && this.#options.progress.isWhole) void this.#part("read to its end");
    const isDue = performance.now() - this.#renewedAt >= this.#options.leaseDuration / 4 - 1;
    if (isDue || this.#options.progress.unstored !== undefined) void this.#renew();
  }

  /** Writes lease and checkpoint. Never two at once: they could arrive in the wrong order. */
  #renew(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { table, progress, worker, leaseDuration } = this.#options;
    const checkpoint = progress.unstored;
    progress.sending(checkpoint);
    const sentAt = performance.now();
    const renewal = { until: Date.now() + leaseDuration, checkpoint };
    const holding = { shard: this.id, owner: worker };
    try {
      const signal = AbortSignal.timeout(Math.min(patience, leaseDuration));
      const row = await table.renew(holding, renewal, signal);
      if (row === undefined) return this.#giveUp("taken by another");
      progress.storedAs(checkpoint);
      this.#until = sentAt + leaseDuration;
      this.#renewedAt = sentAt;
      this.#hasWarned = false;
      if (row.claim !== undefined && row.claim !== worker) void this.#handOver();
    } catch (thrown) {
      const error = BindingError.from(thrown);
      if (!transient.has(error.reason)) this.#fail(error);
      else this.#warn(error, "a lease could not be renewed, trying again");
    }
  }

  /** Another reader asks for it: what the app has is finished first. */
  async #handOver(): Promise<void> {
    if (this.#isHandingOver || this.#isOver) return;
    this.#isHandingOver = true;
    const late = performance.now() + parting;
    this.#polling.abort();
    this.#withdrawal.abort();
    await this.#running;
    const { progress } = this.#options;
    while (progress.open > 0 && performance.now() < late && !this.#isOver)
      await delay(Math.min(50, this.#tick), never);
    await this.#part("handed over");
  }

  async #part(why: "read to its end" | "handed over"): Promise<void> {
    if (this.#isReleasing || this.#isOver) return;
    const isReleased = await this.release(why === "handed over" ? undefined : shardEnd);
    if (isReleased) this.#giveUp(why);
    // Else it is tried again: at the next beat, or when the claim is seen again.
    else this.#isHandingOver = false;
  }

  #giveUp(why: Ended): void {
    if (this.#isOver) return;
    this.close();
    this.#options.condition("");
    this.#options.ended(why);
    this.#withdrawal.abort();
  }

  #fail(error: BindingError): void {
    this.#polling.abort();
    this.#options.failed(error);
  }

  #soon(): AbortSignal {
    return AbortSignal.any([this.#polling.signal, AbortSignal.timeout(patience)]);
  }

  #warn({ message: reason }: BindingError, text: string): void {
    const facts = { shard: this.id, reason };
    if (this.#hasWarned) this.#options.logger.debug(facts, text);
    else this.#options.logger.warn(facts, text);
    this.#hasWarned = true;
  }
}
