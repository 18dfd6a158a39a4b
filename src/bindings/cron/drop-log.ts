import type { Logger } from "../../binding.ts";

/** Logs dropped ticks: the first with the reason, then each tenfold number, and all of them once one is handled. */
export class DropLog {
  readonly #logger: Logger;
  #ticks = 0;
  #logAt = 1;
  #first: Date | undefined;
  #last: Date | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  dropped(due: Date, reason: string): void {
    this.#ticks++;
    // One that was begun before may be dropped after those that came behind it.
    if (this.#first === undefined || due < this.#first) this.#first = due;
    if (this.#last === undefined || due > this.#last) this.#last = due;
    if (this.#ticks < this.#logAt) return;
    this.#logAt *= 10;
    this.#logger.warn({ reason, ...this.#facts }, "ticks are dropped, none is handled");
  }

  /** A tick was handled, or there will be no more. */
  over(): void {
    if (this.#ticks > 1) this.#logger.info(this.#facts, "ticks were dropped");
    this.#ticks = 0;
    this.#logAt = 1;
    this.#first = this.#last = undefined;
  }

  get #facts() {
    return { ticks: this.#ticks, first: this.#first, last: this.#last };
  }
}
