import { Code, ConnectError } from "@connectrpc/connect";
import { ByteParts } from "../memory/byte-parts.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";
import { noRoom, type Reservation } from "../memory/budget.ts";

type Bytes = AsyncIterable<Uint8Array>;

export type CountedBodyOptions = {
  readonly memory: Reservation;
  /** There is no room even for the call itself. */
  readonly isRefused: boolean;
  /** Whether what has come is kept until the call ends, as the only message of a call is; else until the next one. */
  readonly isKept: boolean;
  /** The largest body or message, in bytes. What is larger is handed on as it is, to be refused. */
  readonly limit: number;
  /** Whether its messages are in envelopes. */
  readonly isStreamed: boolean;
  /** Whether it ends when its sender stops. Otherwise somebody else sees to that. */
  readonly isWatched: boolean;
};

const prefixBytes = 5;
const lengthAt = 1;

/**
 * A request body whose bytes count in the memory of the call: as one part if it is one message, else message by
 * message. Connect appends each part that it gets to what it has, which takes the longer the smaller they are.
 * Throws a `ConnectError` where there is no room, and when the body stops.
 */
export function countedBody(body: Bytes, options: CountedBodyOptions): Bytes {
  const counted = new CountedBody(body, options);
  return options.isStreamed ? counted.messages() : counted.whole();
}

/** The parts of an answer, which count until they are written. */
export async function* countedAnswer(body: Bytes, memory: Reservation): AsyncGenerator<Uint8Array> {
  for await (const part of body) {
    memory.add(part.length);
    yield part;
    memory.add(-part.length);
  }
}

/** There is no memory for a call now. */
export function noRoomError(): ConnectError {
  return new ConnectError(noRoom, Code.Unavailable);
}

class CountedBody implements WatchedCall {
  turn: WatchedCall["turn"] = "server";
  received = 0;
  watchPlace = -1;
  readonly #body: AsyncIterator<Uint8Array>;
  readonly #options: CountedBodyOptions;
  readonly #parts = new ByteParts();
  #stop: ((error: Error) => void) | undefined;

  constructor(body: Bytes, options: CountedBodyOptions) {
    this.#body = body[Symbol.asyncIterator]();
    this.#options = options;
  }

  endSlow(): void {
    this.#stop?.(new ConnectError(tooSlow, Code.DeadlineExceeded));
  }

  limitReading(): void {}

  async *whole(): AsyncGenerator<Uint8Array> {
    const { limit } = this.#options;
    this.turn = "sender";
    let whole: Buffer;
    try {
      for await (const part of this.#received()) {
        this.#parts.add(part);
        if (this.#parts.size > limit) break;
      }
      whole = this.#parts.whole();
    } finally {
      this.#parts.clear();
    }
    yield whole;
  }

  async *messages(): AsyncGenerator<Uint8Array> {
    const { limit, isKept, memory } = this.#options;
    const parts = this.#parts;
    const prefix = Buffer.alloc(prefixBytes);
    let size = 0;
    try {
      for await (const received of this.#received()) {
        let at = 0;
        while (at < received.length) {
          const wanted =
            size < prefixBytes ? prefixBytes : prefixBytes + prefix.readUInt32BE(lengthAt);
          const part = received.subarray(at, at + wanted - size);
          if (size < prefixBytes) part.copy(prefix, size);
          parts.add(part);
          at += part.length;
          size += part.length;
          this.turn = "sender";
          if (size < prefixBytes) continue;
          const length = prefixBytes + prefix.readUInt32BE(lengthAt);
          if (size < length && length <= prefixBytes + limit) continue;
          yield parts.whole();
          if (!isKept) memory.add(-size);
          this.turn = "server";
          size = 0;
        }
      }
      if (size > 0) yield parts.whole();
    } finally {
      parts.clear();
    }
  }

  /** The parts as they come, counted. What is not wanted is left where it is: to read on no more would cut the connection. */
  async *#received(): AsyncGenerator<Buffer> {
    const { isRefused, isWatched, memory } = this.#options;
    if (isRefused) throw noRoomError();
    if (isWatched) watchedCalls.watch(this);
    try {
      for (;;) {
        const { done, value } = await this.#next();
        if (done === true) return;
        this.received += value.length;
        if (!memory.reserve(value.length)) throw noRoomError();
        yield Buffer.from(value.buffer, value.byteOffset, value.length);
      }
    } finally {
      watchedCalls.forget(this);
    }
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#stop = reject;
      this.#body.next().then(resolve, reject);
    });
  }
}
