/**
 * Packs what is said in one turn of the event loop: {@link due} turns true at the end of a turn in which
 * {@link schedule} was called, and stays so until {@link take}.
 */
export class FlushScheduler {
  #due = false;
  #scheduled: NodeJS.Immediate | undefined;
  #wake: (() => void) | undefined;

  /** There is something to take. */
  get due(): boolean {
    return this.#due;
  }

  /** There is something to take, now or at the end of the turn. */
  get pending(): boolean {
    return this.#due || this.#scheduled !== undefined;
  }

  schedule(): void {
    if (this.pending) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.#due = true;
      this.wake();
    });
  }

  /** Says that it was taken; `all` is false when there is more, which is due at once. */
  take(all: boolean): void {
    this.#due = !all;
  }

  /** Resolves when something is due, and at the next {@link wake}. For one waiter at a time. */
  wait(): Promise<void> {
    if (this.#due) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
