/** Whoever waits for a call: told of by one listener for as long as the call lasts. */
export class Caller implements Disposable {
  readonly #signal: AbortSignal;
  #gone: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this);
  }

  /** What is to be done when the caller goes, in place of what was said before; at once if it has gone. */
  whenGone(gone: () => void): void {
    this.#gone = gone;
    if (this.#signal.aborted) gone();
  }

  handleEvent(): void {
    this.#gone?.();
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this);
  }
}
