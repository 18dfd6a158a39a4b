export type CreditPoolOptions = {
  /** Gives a thread credit. */
  grant(thread: number, credit: number): void;
  /** Asks a thread for what it does not use, which {@link CreditPool.returned} tells. */
  recall(thread: number): void;
};

/** The credit of one stream of the app, shared out among threads: to those who need it, never more than the app has given. */
export class CreditPool {
  readonly #options: CreditPoolOptions;
  /** What each was given and has not used, as far as is known. */
  readonly #granted: number[];
  readonly #recalled = new Set<number>();
  /** Those that have an event and no credit, who waited longest first. */
  readonly #waiting = new Set<number>();
  #free = 0;

  constructor(threads: number, options: CreditPoolOptions) {
    this.#options = options;
    this.#granted = Array.from({ length: threads }, () => 0);
  }

  /** The app takes so many more events. */
  add(credit: number): void {
    this.#free = Math.min(mostCredit, this.#free + credit);
    this.#share();
  }

  /** A thread has an event for which it has no credit. */
  needed(thread: number): void {
    this.#waiting.add(thread);
    this.#share();
  }

  /** A thread has delivered so many events. */
  used(thread: number, events: number): void {
    this.#granted[thread] = Math.max(0, (this.#granted[thread] ?? 0) - events);
  }

  returned(thread: number, credit: number): void {
    this.#recalled.delete(thread);
    this.used(thread, credit);
    this.add(credit);
  }

  #share(): void {
    for (const thread of this.#waiting) {
      if (this.#free === 0) break;
      const credit = Math.ceil(this.#free / this.#waiting.size);
      this.#waiting.delete(thread);
      this.#free -= credit;
      this.#granted[thread] = (this.#granted[thread] ?? 0) + credit;
      this.#options.grant(thread, credit);
    }
    if (this.#waiting.size === 0) return;
    // Another may have more than it needs.
    for (const [thread, granted] of this.#granted.entries()) {
      if (granted === 0 || this.#waiting.has(thread) || this.#recalled.has(thread)) continue;
      this.#recalled.add(thread);
      this.#options.recall(thread);
    }
  }
}

const mostCredit = 0xffff_ffff;
