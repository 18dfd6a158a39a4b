import type { DeadLetter } from "../../store/records.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { Waiters } from "../waiters.ts";

/** What became of one dead letter. */
export type RedriveResult = {
  readonly id: string;
  /** Empty where the dead letter is not known. */
  readonly component: string;
  readonly eventId: string | undefined;
  /** `skipped`: it was left alone. */
  readonly outcome: "handled" | "refused" | "skipped";
  /** Empty where there is nothing to say. */
  readonly reason: string;
};

export type RedriveTotals = {
  /** How many dead letters are meant. */
  readonly matched: number;
  readonly handled: number;
  readonly refused: number;
  readonly skipped: number;
};

/** The first has no result, nor has the last. */
export type RedriveProgress = {
  readonly result: RedriveResult | undefined;
  readonly totals: RedriveTotals;
};

export type RedriveRunOptions = {
  readonly ids: readonly string[];
  readonly rate: number | undefined;
  readonly signal: AbortSignal;
  /** The dead letter, claimed; or what to say of it where there is nothing to redrive. Never rejects. */
  readonly read: (id: string) => Promise<DeadLetter | RedriveResult>;
  /** Dead letters of one lane are redriven one after another. */
  readonly laneOf: (deadLetter: DeadLetter) => string | undefined;
  /** Never rejects. */
  readonly redrive: (deadLetter: DeadLetter) => Promise<RedriveResult>;
};

/** The most dead letters under way at one time, and the most bytes of payload that they hold together. */
const mostDeadLetters = 64;
const mostBytes = 64 * 1024 * 1024;
/** The most results that nobody has taken; no further dead letter begins then. */
const mostResults = 1000;

/** Redrives dead letters in their order, several at a time. */
export class RedriveRun {
  readonly #options: RedriveRunOptions;
  readonly #stop = new AbortController();
  readonly #results: RedriveResult[] = [];
  readonly #lanes = new Map<string, Promise<void>>();
  #allBegun = false;
  #underWay = 0;
  #bytes = 0;
  #counts = { handled: 0, refused: 0, skipped: 0 };
  readonly #changes = new Waiters();

  constructor(options: RedriveRunOptions) {
    this.#options = options;
  }

  get totals(): RedriveTotals {
    return { matched: this.#options.ids.length, ...this.#counts };
  }

  /** Begins, and tells of each dead letter; ends when all are done, or all that had begun at the signal. */
  async *progress(): AsyncGenerator<RedriveProgress> {
    yield { result: undefined, totals: this.totals };
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    void this.#beginAll(signal).then(() => {
      this.#allBegun = true;
      this.#changes.wake();
    });
    try {
      while (!this.#allBegun || this.#underWay > 0 || this.#results.length > 0) {
        const result = this.#results.shift();
        if (result === undefined) {
          await this.#changes.next();
          continue;
        }
        this.#counts[result.outcome]++;
        this.#changes.wake();
        yield { result, totals: this.totals };
      }
      yield { result: undefined, totals: this.totals };
    } finally {
      this.#stop.abort();
    }
  }

  async #beginAll(signal: AbortSignal): Promise<void> {
    const { ids, rate, read } = this.#options;
    const limiter = new RateLimiter(rate);
    const onAbort = (): void => this.#changes.wake();
    signal.addEventListener("abort", onAbort, { once: true });
    for (const id of ids) {
      while (!this.#hasRoom && !signal.aborted) await this.#changes.next();
      await limiter.next(signal);
      if (signal.aborted) break;
      const deadLetter = await read(id);
      if ("outcome" in deadLetter) this.#add(deadLetter);
      else this.#begin(deadLetter);
    }
    signal.removeEventListener("abort", onAbort);
  }

  get #hasRoom(): boolean {
    return (
      this.#underWay < mostDeadLetters &&
      this.#bytes < mostBytes &&
      this.#results.length < mostResults
    );
  }

  #begin(deadLetter: DeadLetter): void {
    const { laneOf, redrive } = this.#options;
    const size = deadLetter.event.data?.length ?? 0;
    this.#underWay++;
    this.#bytes += size;
    const lane = laneOf(deadLetter);
    const before = lane === undefined ? undefined : this.#lanes.get(lane);
    const result =
      before === undefined ? redrive(deadLetter) : before.then(() => redrive(deadLetter));
    const done = result.then((one) => {
      this.#underWay--;
      this.#bytes -= size;
      if (lane !== undefined && this.#lanes.get(lane) === done) this.#lanes.delete(lane);
      this.#add(one);
    });
    if (lane !== undefined) this.#lanes.set(lane, done);
  }

  #add(result: RedriveResult): void {
    this.#results.push(result);
    this.#changes.wake();
  }
}
