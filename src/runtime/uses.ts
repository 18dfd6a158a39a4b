import { longestTimer } from "../metadata/duration.ts";

/** How many calls use a thing at this moment, so that it is not taken from under them. */
export class Uses {
  #count = 0;
  #waiting: (() => void)[] = [];

  enter(): void {
    this.#count++;
  }

  leave(): void {
    if (--this.#count > 0) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves once nobody uses it, or after so many milliseconds; to how many still do. */
  async ended(deadline: number): Promise<number> {
    if (this.#count > 0 && deadline > 0) {
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(deadline)
          ? setTimeout(resolve, Math.min(deadline, longestTimer))
          : undefined;
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#count;
  }
}
