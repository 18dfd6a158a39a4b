type Origin = { taken: number; readonly waiting: Set<() => void> };

/** Counts the calls that are on their way to each origin; beyond the limit, calls wait in the order they came. */
export class ConnectionSlots {
  readonly #limit: number;
  /** Only those with calls. */
  readonly #origins = new Map<string, Origin>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a slot if one is free. */
  tryTake(origin: string): boolean {
    const found = this.#origins.get(origin);
    if (found === undefined) {
      this.#origins.set(origin, { taken: 1, waiting: new Set() });
      return true;
    }
    if (found.taken >= this.#limit) return false;
    found.taken++;
    return true;
  }

  /** Takes a slot as soon as one is free. Rejects with the signal's reason, and leaves the queue, when it is aborted. */
  take(origin: string, signal: AbortSignal): Promise<void> {
    if (this.tryTake(origin)) return Promise.resolve();
    const waiting = this.#origins.get(origin)?.waiting;
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        waiting?.delete(go);
        reject(signal.reason as Error);
      };
      if (signal.aborted) return leave();
      waiting?.add(go);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Gives a slot back, or on to the call that waits longest. */
  release(origin: string): void {
    const found = this.#origins.get(origin);
    if (found === undefined) return;
    for (const next of found.waiting) {
      found.waiting.delete(next);
      return next();
    }
    found.taken--;
    if (found.taken === 0) this.#origins.delete(origin);
  }
}
