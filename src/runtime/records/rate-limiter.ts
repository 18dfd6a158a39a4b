import { clock } from "../../clock.ts";
import { delay } from "../../delay.ts";

/** How far it may catch up after a hold-up, in milliseconds: longer ones are not made good at once. */
const catchUp = 100;

/** Lets things begin at a rate that is exact on average, whatever timers make of a single pause. */
export class RateLimiter {
  readonly #interval: number;
  #next = clock.elapsed();

  /** `rate`: how many a second; `undefined`: as many as will. */
  constructor(rate: number | undefined) {
    this.#interval = rate === undefined ? 0 : 1000 / rate;
  }

  /** Resolves when the next one may begin, or once the signal aborts. */
  async next(signal: AbortSignal): Promise<void> {
    if (this.#interval === 0) return;
    const now = clock.elapsed();
    const at = Math.max(this.#next, now - catchUp);
    this.#next = at + this.#interval;
    if (at > now) await delay(at - now, signal);
  }
}
