import { clock } from "../../clock.ts";
import type { Opened } from "./opening.ts";

/** Calls that wait for a connection. */
export class OpeningWaiters {
  readonly #waiting = new Set<(opened: Opened | undefined) => void>();

  /** Resolves to the connection, or to `undefined` after so many milliseconds, at the abort, or when there will be none. */
  wait(milliseconds: number, signal: AbortSignal): Promise<Opened | undefined> {
    return new Promise((resolve) => {
      const done = (opened: Opened | undefined): void => {
        clock.clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        this.#waiting.delete(done);
        resolve(opened);
      };
      const giveUp = (): void => done(undefined);
      const timer = clock.setTimeout(giveUp, milliseconds);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(done);
    });
  }

  wake(opened: Opened | undefined): void {
    for (const done of this.#waiting) done(opened);
  }
}
