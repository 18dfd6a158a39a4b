/** Those who wait for a change of something, and look for themselves whether it is what they wait for. */
export class Waiters {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@link wake}. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
