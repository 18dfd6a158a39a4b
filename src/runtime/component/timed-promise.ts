import { BindingError } from "../../errors.ts";

/** Something that must come about within its time. */
export class TimedPromise {
  readonly #outcome = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;

  /** Milliseconds, and what the error says when they have passed. */
  constructor(deadline: number, tooLate: string) {
    this.#outcome.promise.catch(() => undefined);
    this.#timer = setTimeout(
      () => this.reject(new BindingError("deadline_exceeded", tooLate, { effect: "unsent" })),
      deadline,
    );
  }

  /** Resolves once it came about; rejects with what keeps it. */
  get promise(): Promise<void> {
    return this.#outcome.promise;
  }

  resolve(): void {
    clearTimeout(this.#timer);
    this.#outcome.resolve();
  }

  reject(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#outcome.reject(reason);
  }
}
