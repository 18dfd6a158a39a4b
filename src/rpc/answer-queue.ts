import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AnswerChunkSchema } from "../../gen/cufflink/v1/bindings_pb.ts";

export type AnswerChunk = MessageInitShape<typeof AnswerChunkSchema>;

/** What a chunk takes beside its payload, about. */
const chunkOverhead = 16;

/** Parts of answers that wait to be sent, many in one message. */
export class AnswerQueue {
  readonly #messageSize: number;
  readonly #left: () => void;
  #chunks: AnswerChunk[] = [];
  #sizes: number[] = [];
  #bytes = 0;
  #isClosed = false;
  #wake: (() => void) | undefined;

  /** `messageSize`: about how many bytes a message carries. `left` is called after some have gone. */
  constructor(messageSize: number, left: () => void) {
    this.#messageSize = messageSize;
    this.#left = left;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `size`: how many bytes it carries. */
  push(chunk: AnswerChunk, size: number): void {
    if (this.#isClosed) return;
    this.#chunks.push(chunk);
    this.#sizes.push(size + chunkOverhead);
    this.#bytes += size + chunkOverhead;
    this.#wake?.();
  }

  /** Takes no more; what waits can still be taken. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  /** The next message's worth, as soon as there is some; `undefined` once all are gone and none come. */
  async take(): Promise<AnswerChunk[] | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#isClosed) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    // What is answered in one turn of the event loop goes together.
    if (this.#bytes < this.#messageSize && !this.#isClosed) await new Promise(setImmediate);
    const taken = this.#cut();
    this.#left();
    return taken;
  }

  #cut(): AnswerChunk[] {
    let count = 0;
    let bytes = 0;
    for (const size of this.#sizes) {
      if (count > 0 && bytes + size > this.#messageSize + chunkOverhead) break;
      bytes += size;
      count++;
    }
    this.#bytes -= bytes;
    const chunks = this.#chunks;
    this.#chunks = chunks.splice(count);
    this.#sizes = this.#sizes.slice(count);
    return chunks;
  }
}
