import type { Logger } from "../../binding.ts";
import { clock, type Timer } from "../../clock.ts";
import { delay } from "../../delay.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { NextTime } from "../../schedule/ticker.ts";
import type { TickOwner } from "../../tick-records.ts";
import type { DropLog } from "./drop-log.ts";
import { missedTicks, mostMissed, type CatchUp } from "./missed-ticks.ts";
import type { TickLedger } from "./tick-ledger.ts";

/** A tick on its way. */
export type SentTick = {
  /** Resolves when there is room for another. */
  readonly room: Promise<void>;
  /** Resolves once it is settled. */
  readonly settled: Promise<void>;
  /** It is no use any more: unless the app has it, it is given up. */
  supersede(): void;
};

export type RecordedTicksOptions = {
  readonly ledger: TickLedger;
  readonly next: NextTime;
  readonly catchUp: CatchUp;
  readonly overlap: "skip" | "allow";
  /** Absent: this process's own clock, and no other replica. */
  readonly owner: TickOwner | undefined;
  readonly logger: Logger;
  readonly drops: DropLog;
  /** Delivers the tick. */
  readonly send: (due: Date) => SentTick;
};

/** How long it sleeps at most: the store's clock is measured anew each second. Milliseconds. */
const longestSleep = 1_000;
/** A clock that was set back by more begins anew. Milliseconds. */
const correction = 60_000;
/** The pause before a tick that could not be written down is tried again, in milliseconds. */
const retry = 250;

/** Delivers the ticks of a schedule one after another, each after it was written down that it is begun. */
export class RecordedTicks {
  readonly #options: RecordedTicksOptions;
  /** The due times that wait, the oldest first. */
  readonly #queue: number[] = [];
  readonly #stopped = new AbortController();
  /** All that was due up to here is in the queue, or behind it. */
  #seen: number;
  #timer: Timer | undefined;
  #running = false;
  /** The tick that is with the runtime or the app. */
  #current: (SentTick & { isSettled: boolean }) | undefined;

  constructor(options: RecordedTicksOptions) {
    this.#options = options;
    this.#seen = options.ledger.upTo;
  }

  start(): void {
    const { ledger, logger } = this.#options;
    const recordedUpTo = new Date(ledger.upTo);
    if (ledger.again.length > 0) {
      const again = ledger.again.slice(0, 10).map((due) => new Date(due));
      const facts = { ticks: ledger.again.length, again, recordedUpTo };
      logger.warn(facts, "ticks were begun and perhaps not settled: they are delivered once more");
    } else if (ledger.isContinued)
      logger.info({ recordedUpTo }, "no tick was begun and not settled: each comes once");
    this.#queue.push(...ledger.again);
    this.#tick();
  }

  stop(): void {
    this.#stopped.abort();
    clock.clearTimeout(this.#timer);
  }

  get #now(): number {
    return this.#options.owner?.now() ?? clock.now();
  }

  /** Puts what is due in line, and sleeps until the next is. */
  #tick(): void {
    if (this.#stopped.signal.aborted) return;
    const { next, catchUp, logger } = this.#options;
    const now = this.#now;
    if (now < this.#seen - correction) {
      logger.warn({ now: new Date(now) }, "the clock was set back: ticks count from there");
      this.#seen = now;
    }
    if (now >= this.#seen) {
      const { due, more } = missedTicks(next, this.#seen, now, catchUp);
      this.#seen = now;
      this.#enter(due);
      if (more) logger.warn({}, `older ticks than the newest ${mostMissed} are not made up for`);
    }
    const wait = (next(this.#seen) ?? Number.POSITIVE_INFINITY) - now;
    this.#timer = clock.setTimeout(
      () => this.#tick(),
      Math.max(1, Math.min(Math.ceil(wait), longestSleep)),
    );
  }

  #enter(due: readonly number[]): void {
    const { overlap, ledger, drops } = this.#options;
    const isBehind = this.#queue.length > 0 || due.length > 1;
    const [only] = due;
    if (overlap === "skip" && !isBehind && only !== undefined && this.#current !== undefined) {
      // One that waits for a retry makes way; one that the app has at this moment does not.
      this.#current.supersede();
      if (!this.#current.isSettled) {
        ledger.skip(only);
        return drops.dropped(new Date(only), "the app has not answered for the one before it");
      }
    }
    this.#queue.push(...due);
    const excess = this.#queue.splice(0, Math.max(0, this.#queue.length - mostMissed));
    for (const time of excess) drops.dropped(new Date(time), "too many ticks wait");
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    const { overlap, send } = this.#options;
    for (;;) {
      const due = this.#queue[0];
      if (due === undefined || !(await this.#begin(due))) break;
      this.#queue.shift();
      const current = { ...send(new Date(due)), isSettled: false };
      this.#current = current;
      void current.settled.then(() => {
        current.isSettled = true;
        if (this.#current === current) this.#current = undefined;
      });
      await (overlap === "skip" ? current.settled : current.room);
    }
    this.#running = false;
  }

  /** Whether it may be delivered: it is written down that it is begun. */
  async #begin(due: number): Promise<boolean> {
    const { ledger, owner, logger } = this.#options;
    let isTold = false;
    while (!this.#stopped.signal.aborted) {
      try {
        await ledger.begin(due);
        return !this.#stopped.signal.aborted;
      } catch (error) {
        if (error instanceof BindingError && error.reason === "aborted") return false;
        const facts = { reason: messageOf(error), due: new Date(due) };
        if (owner === undefined) {
          logger.warn(facts, "a tick cannot be written down; it may come again after a restart");
          return true;
        }
        if (!isTold) logger.warn(facts, "a tick waits, because it cannot be written down");
        isTold = true;
        await delay(retry, this.#stopped.signal);
      }
    }
    return false;
  }
}
