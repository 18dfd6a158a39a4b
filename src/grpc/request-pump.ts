import type { Http2Stream } from "../http2/stream.ts";
import { gzipMessage } from "./frame.ts";
import { MessageWriter } from "./message-writer.ts";

export type RequestPumpOptions = {
  /** Packs each message with gzip. */
  readonly compress: boolean;
  /** The source of the messages threw. */
  readonly failed: (error: unknown) => void;
};

/** Writes the messages of a source to a stream, and takes no more of them than the other side reads. */
export class RequestPump {
  readonly #requests: AsyncIterable<Uint8Array>;
  readonly #options: RequestPumpOptions;
  #source: AsyncIterator<Uint8Array> | undefined;
  #writer: MessageWriter | undefined;
  #stopped = false;

  constructor(requests: AsyncIterable<Uint8Array>, options: RequestPumpOptions) {
    this.#requests = requests;
    this.#options = options;
  }

  /** Whether nothing was taken from the source. */
  get untouched(): boolean {
    return this.#source === undefined;
  }

  start(stream: Http2Stream): void {
    this.#run(stream).catch((error: unknown) => {
      if (this.#stopped) return;
      this.#stopped = true;
      this.#options.failed(error);
    });
  }

  /** There may be room again, or the stream is gone. */
  wake(): void {
    this.#writer?.wake();
  }

  /** Writes no more, and lets the source clean up. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // The source may be waiting for something that never comes, and what it throws now concerns nobody.
    this.#leave().catch(() => {});
  }

  async #leave(): Promise<void> {
    await this.#source?.return?.();
  }

  async #run(stream: Http2Stream): Promise<void> {
    const { compress } = this.#options;
    const source = this.#requests[Symbol.asyncIterator]();
    const writer = new MessageWriter(stream);
    this.#source = source;
    this.#writer = writer;
    for (;;) {
      const { done, value } = await source.next();
      if (this.#stopped) return;
      if (done === true) break;
      const message = compress ? await gzipMessage(value) : value;
      if (!writer.write(message, compress)) await writer.drained();
      if (this.#stopped) return;
    }
    this.#stopped = true;
    writer.flush();
    stream.end();
  }
}
