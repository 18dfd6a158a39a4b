import { framePrefixBytes } from "./frame.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A message that spans chunks gets at first room for so many bytes, and more as they come. */
const firstRoom = 16 * 1024;

/**
 * Takes gRPC's frames out of the chunks of a stream. A message that lies in one chunk is a view of it; one
 * that spans several is copied at most twice, and room is made as its bytes arrive, not as they are announced.
 */
export class MessageReader {
  readonly #limit: number;
  readonly #take: (message: Uint8Array, compressed: boolean) => void;
  readonly #prefix = Buffer.allocUnsafe(framePrefixBytes);
  #prefixLength = 0;
  #compressed = false;
  /** Of the message that is being read; -1: its prefix is not whole yet. */
  #length = -1;
  #body: Buffer | undefined;
  #received = 0;

  /** `limit`: the largest message as it travels, in bytes. `take` is called with each, in order. */
  constructor(limit: number, take: (message: Uint8Array, compressed: boolean) => void) {
    this.#limit = limit;
    this.#take = take;
  }

  /** Whether the last message is not whole. */
  get partial(): boolean {
    return this.#prefixLength > 0;
  }

  /** Bytes that are taken up by the message that is not whole. */
  get room(): number {
    return this.#body?.length ?? 0;
  }

  /** Throws a {@link GrpcFailure} for what is no frame or too long a message, and what `take` throws. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length < 0) {
        at = this.#readPrefix(chunk, at);
        // Not whole yet, or of an empty message, which was delivered.
        if (this.#length < 0) continue;
      }
      const missing = this.#length - this.#received;
      const end = Math.min(at + missing, chunk.length);
      if (this.#received === 0 && end - at === missing) this.#deliver(chunk.subarray(at, end));
      else this.#append(chunk, at, end);
      at = end;
    }
  }

  #readPrefix(chunk: Buffer, from: number): number {
    let flags: number;
    let length: number;
    let at = from;
    if (this.#prefixLength === 0 && chunk.length - from >= framePrefixBytes) {
      flags = chunk[from] ?? 0;
      length = chunk.readUInt32BE(from + 1);
      at += framePrefixBytes;
    } else {
      while (at < chunk.length && this.#prefixLength < framePrefixBytes) {
        this.#prefix[this.#prefixLength++] = chunk[at++] ?? 0;
      }
      if (this.#prefixLength < framePrefixBytes) return at;
      flags = this.#prefix[0] ?? 0;
      length = this.#prefix.readUInt32BE(1);
    }
    if (flags > 1)
      throw new GrpcFailure(Code.internal, `a message has unknown flags, ${String(flags)}`);
    if (length > this.#limit) throw tooLarge(length, this.#limit);
    this.#prefixLength = framePrefixBytes;
    this.#compressed = flags === 1;
    this.#length = length;
    this.#received = 0;
    // An empty message has no bytes to wait for.
    if (length === 0) this.#deliver(chunk.subarray(at, at));
    return at;
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const received = this.#received + to - from;
    let body = this.#body;
    if (body === undefined || received > body.length) {
      const room = Math.max(received, firstRoom, (body?.length ?? 0) * 2);
      const grown = Buffer.allocUnsafeSlow(Math.min(room, this.#length));
      body?.copy(grown, 0, 0, this.#received);
      this.#body = body = grown;
    }
    chunk.copy(body, this.#received, from, to);
    this.#received = received;
    if (received === this.#length) this.#deliver(body);
  }

  #deliver(message: Buffer): void {
    this.#prefixLength = 0;
    this.#length = -1;
    this.#received = 0;
    this.#body = undefined;
    this.#take(message, this.#compressed);
  }
}

/** A message over the limit, in grpc-go's words. */
function tooLarge(length: number, limit: number): GrpcFailure {
  const text = `grpc: received message larger than max (${length} vs. ${limit})`;
  return new GrpcFailure(Code.resourceExhausted, text);
}
