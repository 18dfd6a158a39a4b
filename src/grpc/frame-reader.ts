import { framePrefixBytes } from "./frame.ts";
import { Code, GrpcFailure } from "./status.ts";

/** One message as it came. */
export type Frame = { readonly compressed: boolean; readonly message: Buffer };

/**
 * Cuts a stream of chunks into messages. A message that lies in one chunk is a view of it; one that
 * spans several is put together once, when its last byte is there.
 */
export class FrameReader {
  readonly #limit: number;
  /** Of the message that is being read; its prefix, too, until that is whole. */
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes that are needed before anything can be done: a prefix, or a message of that length. */
  #wanted = framePrefixBytes;
  #compressed: boolean | undefined;

  /** The limit is of one message, in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a message has begun that is not whole. */
  get partial(): boolean {
    return this.#held > 0 || this.#compressed !== undefined;
  }

  /** Hands each message that became whole to `take`. Throws a `GrpcFailure` for one above the limit. */
  push(chunk: Buffer, take: (frame: Frame) => void): void {
    let at = 0;
    if (this.#held > 0) {
      at = Math.min(this.#wanted - this.#held, chunk.length);
      this.#hold(chunk.subarray(0, at));
      if (this.#held < this.#wanted) return;
      const whole = Buffer.concat(this.#chunks, this.#held);
      this.#chunks = [];
      this.#held = 0;
      if (this.#compressed === undefined) this.#readPrefix(whole, 0);
      else this.#deliver(whole, take);
    }
    while (chunk.length - at >= this.#wanted) {
      const end = at + this.#wanted;
      if (this.#compressed === undefined) this.#readPrefix(chunk, at);
      else this.#deliver(chunk.subarray(at, end), take);
      at = end;
    }
    if (at < chunk.length) this.#hold(chunk.subarray(at));
  }

  #hold(part: Buffer): void {
    this.#chunks.push(part);
    this.#held += part.length;
  }

  #deliver(message: Buffer, take: (frame: Frame) => void): void {
    const compressed = this.#compressed === true;
    this.#compressed = undefined;
    this.#wanted = framePrefixBytes;
    take({ compressed, message });
  }

  #readPrefix(bytes: Buffer, at: number): void {
    const flags = bytes[at] ?? 0;
    const length = bytes.readUInt32BE(at + 1);
    if (flags > 1) {
      throw new GrpcFailure(Code.internal, `a message's prefix has the unknown flags ${flags}`);
    }
    if (length > this.#limit) {
      const text = `grpc: received message larger than max (${length} vs. ${this.#limit})`;
      throw new GrpcFailure(Code.resourceExhausted, text);
    }
    this.#compressed = flags === 1;
    this.#wanted = length;
  }
}
