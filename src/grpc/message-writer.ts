import type { Http2Stream } from "../http2/stream.ts";
import { framePrefixBytes, writeFramePrefix } from "./frame.ts";

/** Messages up to this size are copied together; larger ones go out as they are. */
const copiedUpTo = 16 * 1024;
/** So many bytes are written without waiting for the end of the turn. */
const mostGathered = 64 * 1024;

type Frame = { readonly message: Uint8Array; readonly compressed: boolean };

/**
 * Writes gRPC's frames to a stream. Those that are written in one go of the event loop leave in one frame of HTTP/2.
 * The caller waits for {@link drained} whenever {@link write} answers false, and so never has more in memory than the
 * stream takes, and one message. The stream's listener calls {@link wake} when it has drained, and when it is closed.
 */
export class MessageWriter {
  readonly #stream: Http2Stream;
  #frames: Frame[] = [];
  #bytes = 0;
  #isDue = false;
  #isFull = false;
  #waiter: PromiseWithResolvers<void> | undefined;

  /** The stream's headers must be sent before the first {@link write}. */
  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  /** Takes a message, which must not change from now on. Answers whether there is room for another. */
  write(message: Uint8Array, compressed: boolean): boolean {
    this.#frames.push({ message, compressed });
    this.#bytes += framePrefixBytes + message.length;
    if (this.#stream.waiting + this.#bytes >= mostGathered) return this.flush();
    if (!this.#isDue) {
      this.#isDue = true;
      // Next ticks come after all that is ready by promises alone.
      process.nextTick(flushDue, this);
    }
    return !this.#isFull;
  }

  /** Hands what was written to the stream. Answers whether there is room for more. */
  flush(): boolean {
    this.#isDue = false;
    const frames = this.#frames;
    if (frames.length > 0) {
      this.#frames = [];
      this.#bytes = 0;
      for (const chunk of pack(frames)) this.#isFull = !this.#stream.write(chunk);
    }
    return !this.#isFull;
  }

  /** Resolves when there is room again, or when the stream is gone. */
  drained(): Promise<void> {
    if (!this.#isFull || this.#stream.isClosed) return Promise.resolve();
    this.#waiter ??= Promise.withResolvers();
    return this.#waiter.promise;
  }

  /** There is room again, or nobody wants anything any more. */
  wake(): void {
    this.#isFull = false;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.resolve();
  }
}

function flushDue(writer: MessageWriter): void {
  writer.flush();
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
  for (let index = from; index < to; index++) {
    const frame = frames[index];
    if (frame === undefined) break;
    const { message, compressed } = frame;
    writeFramePrefix(chunk, message.length, compressed, at);
    at += framePrefixBytes;
    if (message.length > copiedUpTo) continue;
    chunk.set(message, at);
    at += message.length;
  }
  return chunk;
}
