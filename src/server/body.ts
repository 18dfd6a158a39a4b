import { ByteParts } from "../memory/byte-parts.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";
import { noRoom, type Reservation } from "../memory/budget.ts";
import { isDribble, type BodyReader, type HttpExchange } from "../rpc/http-exchange.ts";

/** A request body over the limit. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** A request body for which there is no memory now. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

/** A request body that has stopped, or drips. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

/**
 * Reads a whole body, at most `limit` bytes, which `memory` holds from then on. Rejects with {@link TooLarge},
 * {@link NoRoom} or {@link TooSlow}, or when the caller goes away.
 */
export function readBody(
  exchange: HttpExchange,
  limit: number,
  memory: Reservation,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    exchange.read(new WholeBody(exchange, { limit, memory, resolve, reject }));
  });
}

type WholeBodyOptions = {
  readonly limit: number;
  readonly memory: Reservation;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
};

class WholeBody implements BodyReader, WatchedCall {
  readonly turn = "sender";
  received = 0;
  watchPlace = -1;
  readonly #exchange: HttpExchange;
  readonly #options: WholeBodyOptions;
  readonly #parts = new ByteParts();
  #chunks = 0;
  #isRefused = false;

  constructor(exchange: HttpExchange, options: WholeBodyOptions) {
    this.#exchange = exchange;
    this.#options = options;
    // Over HTTP/1.1 the connection is watched, whoever reads the request.
    if (exchange.isHttp2) watchedCalls.watch(this);
  }

  data(chunk: Buffer): void {
    const { limit, memory } = this.#options;
    this.received += chunk.length;
    const size = this.received;
    if (isDribble(size, ++this.#chunks)) return this.#exchange.abort();
    if (this.#isRefused) return bytesPassed(chunk.length);
    if (!memory.reserve(chunk.length)) return this.#refuse(new NoRoom(noRoom));
    this.#parts.add(chunk);
    if (size <= limit) return;
    const announced = Number(this.#exchange.get("content-length") ?? 0);
    const said = announced > 0 ? `${announced} bytes` : `more than ${limit} bytes`;
    this.#refuse(
      new TooLarge(
        `stream too large: the body has ${said}, the limit is ${limit}; see --max-body-size`,
      ),
    );
  }

  ended(): void {
    watchedCalls.forget(this);
    if (!this.#isRefused) this.#options.resolve(this.#parts.whole());
  }

  gone(): void {
    watchedCalls.forget(this);
    this.#parts.clear();
    // An error costs its stack.
    if (!this.#isRefused) this.#options.reject(new Error("the caller went away"));
  }

  endSlow(): void {
    this.#refuse(new TooSlow(tooSlow));
  }

  limitReading(): void {}

  #refuse(error: Error): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#parts.clear();
    this.#options.reject(error);
  }
}
