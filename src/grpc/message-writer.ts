import type { Http2Stream } from "node:http2";
import { framePrefixBytes, writeFramePrefix } from "./frame.ts";

/** Messages up to this size are copied together; larger ones go out as they are. */
const copiedUpTo = 16 * 1024;

type Frame = { readonly message: Uint8Array; readonly compressed: boolean };

/**
 * Writes gRPC's frames to a stream. Those that are written in one go of the event loop leave in one write.
 * The caller waits for {@link drained} whenever {@link write} answers false, and so never has more than the
 * stream's high-water mark and one message in memory.
 */
export class MessageWriter {
  readonly #stream: Http2Stream;
  #frames: Frame[] = [];
  #bytes = 0;
  #isDue = false;

  /** The stream's headers must be sent before the first {@link write}. */
  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  /** Takes a message, which must not change from now on. Answers whether there is room for another. */
  write(message: Uint8Array, compressed: boolean): boolean {
    this.#frames.push({ message, compressed });
    this.#bytes += framePrefixBytes + message.length;
    const { writableLength, writableHighWaterMark } = this.#stream;
    if (writableLength + this.#bytes >= writableHighWaterMark) return this.flush();
    if (!this.#isDue) {
      this.#isDue = true;
      // Next ticks come after all that is ready by promises alone.
      process.nextTick(() => {
        this.#isDue = false;
        this.flush();
      });
    }
    return true;
  }

  /** Hands what was written to the stream. Answers whether there is room for more. */
  flush(): boolean {
    const stream = this.#stream;
    const frames = this.#frames;
    if (frames.length === 0) return !stream.writableNeedDrain;
    this.#frames = [];
    this.#bytes = 0;
    if (stream.destroyed || stream.closed || stream.writableEnded) return true;
    const chunks = pack(frames);
    if (chunks.length === 1) return stream.write(chunks[0]);
    stream.cork();
    let hasRoom = true;
    for (const chunk of chunks) hasRoom = stream.write(chunk);
    stream.uncork();
    return hasRoom;
  }

  /** Resolves when there is room again, or when the stream is gone. */
  drained(): Promise<void> {
    const stream = this.#stream;
    if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off("drain", done);
        stream.off("close", done);
        resolve();
      };
      stream.on("drain", done);
      stream.on("close", done);
    });
  }
}

/** Small frames next to each other become one chunk; a large message is a chunk of its own, after its prefix. */
function pack(frames: readonly Frame[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  let size = 0;
  for (const [index, { message }] of frames.entries()) {
    size += framePrefixBytes;
    if (message.length <= copiedUpTo) {
      size += message.length;
      continue;
    }
    chunks.push(join(frames, from, index + 1, size), message);
    from = index + 1;
    size = 0;
  }
  if (size > 0) chunks.push(join(frames, from, frames.length, size));
  return chunks;
}

/** Prefixes of all, and the messages of those that are small. */
function join(frames: readonly Frame[], from: number, to: number, size: number): Buffer {
  const chunk = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { message, compressed } of frames.slice(from, to)) {
    writeFramePrefix(chunk, message.length, compressed, at);
    at += framePrefixBytes;
    if (message.length > copiedUpTo) continue;
    chunk.set(message, at);
    at += message.length;
  }
  return chunk;
}
