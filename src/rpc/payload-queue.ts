import type { StreamBody } from "../runtime/outputs/invocation.ts";

/** A payload on its way from the stream that it comes by to the operation that takes it, once. */
export class PayloadQueue implements StreamBody, AsyncIterator<Uint8Array, undefined> {
  readonly #taken: (bytes: number) => void;
  #parts: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array, undefined>> | undefined;
  #state: "open" | "complete" | "failed" | "dropped" = "open";
  #failure: Error | undefined;
  #begun = false;

  /** `taken` is told of each part that has left the queue, in bytes. */
  constructor(taken: (bytes: number) => void) {
    this.#taken = taken;
  }

  get begun(): boolean {
    return this.#begun;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(part: Uint8Array): void {
    if (part.length === 0) return;
    if (this.#state !== "open") return this.#taken(part.length);
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#parts.push(part);
      return;
    }
    this.#waiting = undefined;
    waiting.resolve(this.#give(part));
  }

  /** No more parts come. */
  complete(): void {
    if (this.#state !== "open") return;
    this.#state = "complete";
    this.#waiting?.resolve(over);
    this.#waiting = undefined;
  }

  /** The rest does not come, and what has come is not given out any more. */
  fail(error: Error): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#failure = error;
    this.#empty();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** Nobody reads what is left. */
  drop(): void {
    if (this.#state === "open") this.#state = "dropped";
    this.#empty();
    this.#waiting?.resolve(over);
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#failure !== undefined) return rejected(this.#failure);
    const part = this.#parts.shift();
    if (part !== undefined) return Promise.resolve(this.#give(part));
    if (this.#state !== "open") return Promise.resolve(over);
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      // Whoever asked may have turned away since.
      this.#waiting.promise.catch(() => undefined);
    }
    return this.#waiting.promise;
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.drop();
    return over;
  }

  #give(value: Uint8Array): IteratorResult<Uint8Array, undefined> {
    this.#begun = true;
    this.#taken(value.length);
    return { done: false, value };
  }

  #empty(): void {
    for (const part of this.#parts.splice(0)) this.#taken(part.length);
  }
}

const over = { done: true, value: undefined } as const;

function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => undefined);
  return promise;
}
