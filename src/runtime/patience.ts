import { longestWait } from "./in-time.ts";

/**
 * Waits for the answers of a store that may hang, 30 seconds once and not for each: after that nothing is asked of
 * it, and nobody waits, until all that it owes has been answered.
 */
export class Patience {
  readonly #waiting = new Set<() => void>();
  /** Answers that nobody waits for any more, and that have not come. */
  #owed = 0;

  /** What the store answers. Rejects at once while it hangs. */
  async ask<Value>(question: () => Promise<Value>): Promise<Value> {
    const late = new Error(`no answer within ${longestWait / 1000} s`);
    if (this.#owed > 0) throw late;
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    let owed = false;
    const giveUp = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
      this.#owed++;
      owed = true;
      reject(late);
    };
    const timer = setTimeout(() => {
      // Those that were asked since stand behind it.
      for (const one of this.#waiting) one();
    }, longestWait);
    this.#waiting.add(giveUp);
    const came = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
      if (owed) this.#owed--;
    };
    question().then(
      (value) => {
        came();
        resolve(value);
      },
      (error: unknown) => {
        came();
        reject(error);
      },
    );
    return promise;
  }
}
