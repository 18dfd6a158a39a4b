/** How many events the app handles at one time; see {@link Concurrency}. */
export type ConcurrencyLimit = Pick<Concurrency, "used" | "limit" | "take" | "release">;

/** How many events the app handles at one time, over all components (`--app-max-concurrency`). */
export class Concurrency {
  readonly #limit: number;
  #used = 0;
  #waiting = new Set<() => void>();

  constructor(limit: number | undefined) {
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
  }

  /** How many it handles now. */
  get used(): number {
    return this.#used;
  }

  /** `Infinity`: there is none. */
  get limit(): number {
    return this.#limit;
  }

  /** Takes a place. False when there is none; the callback is then called once one is free. */
  take(whenFree: () => void): boolean {
    if (this.#used < this.#limit) {
      this.#used++;
      return true;
    }
    this.#waiting.add(whenFree);
    return false;
  }

  /** Gives a place back, and wakes who waited longest first. */
  release(): void {
    this.#used--;
    for (const wake of this.#waiting) {
      if (this.#used >= this.#limit) return;
      this.#waiting.delete(wake);
      wake();
    }
  }
}
