import { constants, gunzip } from "node:zlib";
import { Code, GrpcError } from "./status.ts";

/** The bytes before each message: one of flags, four of length. */
export const framePrefixBytes = 5;

/** A message as gRPC carries it. */
export type Frame = { readonly compressed: boolean; readonly message: Buffer };

/** Puts the prefix before an uncompressed message. Copies it. */
export function encodeFrame(message: Uint8Array): Buffer {
  const length = message.byteLength;
  const frame = Buffer.allocUnsafe(framePrefixBytes + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  frame.set(message, framePrefixBytes);
  return frame;
}

/**
 * Cuts a body into messages. `push` takes the body as it comes, `next` gives each message once it is
 * whole. A message longer than `limit` bytes is refused as soon as its prefix is there.
 */
export class FrameReader {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** Bytes that are held and belong to no whole message yet. */
  get pending(): number {
    return this.#length;
  }

  /** The next whole message; `undefined`: more bytes are needed. Throws a `GrpcError`. */
  next(): Frame | undefined {
    if (this.#length < framePrefixBytes) return undefined;
    let first = this.#chunks[0] as Buffer;
    if (first.length < framePrefixBytes) first = this.#join();
    const flags = first[0] as number;
    if (flags > 1) throw new GrpcError(Code.internal, `grpc: received unexpected payload format ${flags}`);
    const length = first.readUInt32BE(1);
    if (length > this.#limit) throw tooLarge(length, this.#limit);
    const end = framePrefixBytes + length;
    if (this.#length < end) return undefined;
    if (first.length < end) first = this.#join();
    const message = first.subarray(framePrefixBytes, end);
    if (first.length === end) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(end);
    this.#length -= end;
    return { compressed: flags === 1, message };
  }

  #join(): Buffer {
    const whole = Buffer.concat(this.#chunks, this.#length);
    this.#chunks = [whole];
    return whole;
  }
}

/** Unpacks a gzip message to at most `limit` bytes. Rejects with a `GrpcError`. */
export function gunzipMessage(message: Uint8Array, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(message, { maxOutputLength: Math.max(limit, 1), finishFlush: constants.Z_FINISH }, (error, result) => {
      if (error === null && result.length <= limit) resolve(result);
      else if (error === null || (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
        reject(new GrpcError(Code.resourceExhausted, `grpc: received message after decompression larger than max ${limit}`));
      } else {
        reject(new GrpcError(Code.internal, `grpc: failed to decompress the received message: ${error.message}`));
      }
    });
  });
}

function tooLarge(length: number, limit: number): GrpcError {
  return new GrpcError(
    Code.resourceExhausted,
    `grpc: received message larger than max (${length} vs. ${limit})`,
  );
}
