import { ByteParts } from "../memory/byte-parts.ts";
import { framePrefixBytes } from "./frame.ts";
import { Code, GrpcFailure, MessageTooLarge } from "./status.ts";

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
  readonly #body = new ByteParts();

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
    return this.#body.room;
  }

  /** Forgets the message that is not whole. */
  clear(): void {
    this.#body.clear();
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
      const missing = this.#length - this.#body.size;
      const end = Math.min(at + missing, chunk.length);
      const part = chunk.subarray(at, end);
      at = end;
      if (this.#body.size === 0 && part.length === missing) {
        this.#deliver(part);
        continue;
      }
      this.#body.add(part);
      if (part.length < missing) continue;
      this.#deliver(this.#body.whole());
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
    if (length > this.#limit)
      throw new MessageTooLarge(`received message larger than max (${length} vs. ${this.#limit})`);
    this.#prefixLength = framePrefixBytes;
    this.#compressed = flags === 1;
    this.#length = length;
    // An empty message has no bytes to wait for.
    if (length === 0) this.#deliver(chunk.subarray(at, at));
    return at;
  }

  #deliver(message: Buffer): void {
    this.#prefixLength = 0;
    this.#length = -1;
    this.#take(message, this.#compressed);
  }
}
