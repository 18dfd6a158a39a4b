import { clock, type Timer } from "../clock.ts";

/**
 * The moments at which a process renews its leases, all of them together: a store writes in one batch what comes at one moment.
 * Processes begin at random, so that their moments differ.
 */
export class RenewalRounds {
  readonly #period: number;
  readonly #begin: number;
  readonly #waiting = new Map<object, { readonly at: number; readonly run: () => void }>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `period`: from one moment to the next, in milliseconds; `random`: from 0 to 1. */
  constructor(period: number, random: () => number) {
    this.#period = period;
    this.#begin = clock.elapsed() - random() * period;
  }

  /** Runs at the first of the moments after `earliest`, by `clock.elapsed()`, unless the owner asks again or cancels. */
  join(owner: object, earliest: number, run: () => void): void {
    const round = Math.ceil((earliest - this.#begin) / this.#period);
    this.#waiting.set(owner, { at: this.#begin + round * this.#period, run });
    this.#wake();
  }

  cancel(owner: object): void {
    this.#waiting.delete(owner);
  }

  #wake(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#waiting.values()) next = Math.min(next, at);
    if (next >= this.#timerAt) return;
    clock.clearTimeout(this.#timer);
    this.#timerAt = next;
    this.#timer = clock.setTimeout(
      () => this.#run(),
      Math.max(0, Math.ceil(next - clock.elapsed())),
    );
  }

  #run(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = clock.elapsed();
    const due = [...this.#waiting].filter(([, { at }]) => at <= now);
    for (const [owner] of due) this.#waiting.delete(owner);
    for (const [, { run }] of due) run();
    this.#wake();
  }
}
