import type { ClientHttp2Stream } from "node:http2";
import { encodeFrames, framePrefixBytes, gzipMessage } from "./frame.ts";

/** So many bytes are written without waiting for more that are ready. */
const flushedAt = 64 * 1024;

export type RequestPumpOptions = {
  /** Packs each message with gzip. */
  readonly compress: boolean;
  /** The source of the messages threw. */
  readonly failed: (error: unknown) => void;
};

/**
 * Writes messages to a stream: those that are ready together in one write, and no more of them than
 * the other side reads.
 */
export class RequestPump {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #options: RequestPumpOptions;
  /** What is to be written next, and its bytes with the prefixes. */
  #messages: Uint8Array[] = [];
  #bytes = 0;
  #scheduled = false;
  #stopped = false;
  #started = false;
  #stream: ClientHttp2Stream | undefined;
  #wake: (() => void) | undefined;

  constructor(source: AsyncIterable<Uint8Array>, options: RequestPumpOptions) {
    this.#source = source[Symbol.asyncIterator]();
    this.#options = options;
  }

  /** Whether nothing was taken from the source. */
  get untouched(): boolean {
    return !this.#started;
  }

  start(stream: ClientHttp2Stream): void {
    this.#started = true;
    this.#stream = stream;
    stream.on("drain", () => this.#wake?.());
    this.#run(stream).catch((error: unknown) => {
      if (this.#stopped) return;
      this.#stopped = true;
      this.#options.failed(error);
    });
  }

  /** Writes no more, and lets the source clean up. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#messages = [];
    this.#wake?.();
    // The source may be waiting for something that never comes, and what it throws now concerns nobody.
    try {
      this.#source.return?.().then(ignore, ignore);
    } catch {
      // A source of somebody's own making may throw at once.
    }
  }

  async #run(stream: ClientHttp2Stream): Promise<void> {
    const { compress } = this.#options;
    for (;;) {
      const { done, value } = await this.#source.next();
      if (this.#stopped) return;
      if (done === true) break;
      const message = compress ? await gzipMessage(value) : value;
      if (this.#stopped) return;
      this.#messages.push(message);
      this.#bytes += message.byteLength + framePrefixBytes;
      if (this.#bytes >= flushedAt) this.#flush(stream);
      else this.#schedule();
      while (stream.writableNeedDrain && !this.#stopped) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#stopped) return;
    }
    this.#stopped = true;
    this.#flush(stream);
    stream.end();
  }

  /** Once nothing more is ready: the next tick comes after all microtasks. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flushLater);
  }

  readonly #flushLater = (): void => {
    this.#scheduled = false;
    if (!this.#stopped && this.#stream !== undefined) this.#flush(this.#stream);
  };

  #flush(stream: ClientHttp2Stream): void {
    const messages = this.#messages;
    const bytes = this.#bytes;
    if (messages.length === 0) return;
    this.#messages = [];
    this.#bytes = 0;
    if (stream.destroyed || stream.writableEnded) return;
    const frames = encodeFrames(messages, bytes, this.#options.compress);
    if (frames.length > 1) stream.cork();
    for (const part of frames) stream.write(part);
    if (frames.length > 1) stream.uncork();
  }
}

function ignore(): void {}
