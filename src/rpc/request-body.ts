import type { BodyReader, HttpExchange } from "./http-exchange.ts";

/**
 * The body of a request, part by part as it is asked for. Throws when its rest will not come. Leaving it early cuts
 * nothing: what was not read waits until the answer is out.
 */
export class RequestBody implements AsyncIterableIterator<Uint8Array>, BodyReader {
  readonly #exchange: HttpExchange;
  readonly #parts: Buffer[] = [];
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;
  #isOver = false;
  #isGone = false;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
    exchange.read(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const part = this.#parts.shift();
    if (part !== undefined) {
      if (this.#parts.length === 0) this.#exchange.resume();
      return Promise.resolve({ done: false, value: part });
    }
    if (this.#isGone) return Promise.reject(new Error("the caller went away"));
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  data(chunk: Buffer): void {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#parts.push(chunk);
      this.#exchange.pause();
    } else {
      this.#waiting = undefined;
      waiting.resolve({ done: false, value: chunk });
    }
  }

  ended(): void {
    this.#isOver = true;
    this.#waiting?.resolve({ done: true, value: undefined });
  }

  gone(): void {
    this.#isGone = true;
    this.#parts.length = 0;
    this.#waiting?.reject(new Error("the caller went away"));
  }
}
