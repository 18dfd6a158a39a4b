import { longestTimer } from "../../metadata/duration.ts";

/** The invocations of an output: those that run, whose connection must not be closed, and those that have ended. */
export class Calls {
  /** Of this connection. */
  #running = 0;
  /** Shared by all that follow one another under a name. */
  #counts = { inFlight: 0, invocations: 0, failures: 0, time: 0 };
  #waiting: (() => void)[] = [];

  enter(): void {
    this.#running++;
    this.#counts.inFlight++;
  }

  /** One that took so many milliseconds has ended. */
  leave(failed: boolean, milliseconds: number): void {
    this.#counts.inFlight--;
    this.#counts.invocations++;
    this.#counts.time += milliseconds;
    if (failed) this.#counts.failures++;
    if (--this.#running > 0) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get counts(): CallCounts {
    return { ...this.#counts };
  }

  /** Counts on together with the one before, which may still have calls. To be called before the first. */
  continueFrom(other: Calls): void {
    this.#counts = other.#counts;
  }

  /** Resolves once none runs, or after so many milliseconds; to how many still do. */
  async ended(deadline: number): Promise<number> {
    if (this.#running > 0 && deadline > 0) {
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
    return this.#running;
  }
}

export type CallCounts = {
  /** Running at this moment. */
  readonly inFlight: number;
  /** Ended since the start, failures included. */
  readonly invocations: number;
  readonly failures: number;
  /** How long all that have ended took together, in milliseconds. */
  readonly time: number;
};
