import { defaultTimeout } from "./timeout.ts";

/**
 * Waits for the answers of a store that may hang, 30 seconds once and not for each: after that nothing is asked of
 * it, and nobody waits, until all that it owes has been answered.
 */
export class FailFastTimeout {
  readonly #waiting = new Set<() => void>();
  /** Answers that nobody waits for any more, and that have not come. */
  #unanswered = 0;

  /** What the store answers. Rejects at once while it hangs. */
  async run<Value>(operation: () => Promise<Value>): Promise<Value> {
    const error = new Error(`no answer within ${defaultTimeout / 1000} s`);
    if (this.#unanswered > 0) throw error;
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    let timedOut = false;
    const timeOut = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(timeOut);
      this.#unanswered++;
      timedOut = true;
      reject(error);
    };
    const timer = setTimeout(() => {
      // Those that were asked since stand behind it.
      for (const one of this.#waiting) one();
    }, defaultTimeout);
    this.#waiting.add(timeOut);
    const settled = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(timeOut);
      if (timedOut) this.#unanswered--;
    };
    operation().then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
    return promise;
  }
}
