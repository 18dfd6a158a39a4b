/**
 * What goes wrong beside the call that is looked at: rejections and exceptions that nobody caught, and
 * timers that Node could not hold.
 */
export class UncaughtErrors implements Disposable {
  readonly #found: unknown[] = [];
  readonly #note = (error: unknown): void => void this.#found.push(error);
  readonly #warned = (warning: Error): void => {
    if (/^(Timeout\w+|MaxListenersExceeded)Warning$/.test(warning.name)) this.#found.push(warning);
  };

  constructor() {
    process.on("unhandledRejection", this.#note);
    process.on("uncaughtException", this.#note);
    process.on("warning", this.#warned);
  }

  /** Throws the first that came since it was asked last, once what is ready has run. */
  async check(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const [first] = this.#found.splice(0);
    if (first instanceof Error) throw first;
    if (first !== undefined) throw new Error("nobody caught a rejection", { cause: first });
  }

  [Symbol.dispose](): void {
    process.off("unhandledRejection", this.#note);
    process.off("uncaughtException", this.#note);
    process.off("warning", this.#warned);
  }
}
