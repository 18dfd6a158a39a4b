import { BindingError } from "../../errors.ts";

type Watch = {
  /** The error as it may be shown. */
  readonly shown: (thrown: unknown) => BindingError;
  /** Called once, with why it did not come to its end. */
  readonly ended: (error: BindingError | undefined) => void;
};

/** The payload of an answer, whose invocation has ended only with it. Can be read once. */
export class ObservedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #parts: AsyncIterator<Uint8Array>;
  readonly #watch: Watch;
  #over = false;

  constructor(body: AsyncIterable<Uint8Array>, watch: Watch) {
    this.#parts = body[Symbol.asyncIterator]();
    this.#watch = watch;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const { done, value } = await this.#parts.next();
      if (done !== true) return { done: false, value };
      this.#end(undefined);
      return { done: true, value: undefined };
    } catch (thrown) {
      const error = this.#watch.shown(thrown);
      this.#end(error);
      throw error;
    }
  }

  /** Cancelled by the caller. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end(new BindingError("cancelled", "cancelled by the caller while the answer came"));
    await this.#parts.return?.();
    return { done: true, value: undefined };
  }

  #end(error: BindingError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch.ended(error);
  }
}
