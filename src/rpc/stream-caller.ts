import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions, Client } from "@connectrpc/connect";
import type {
  AnswerChunk,
  Bindings,
  InvocationChunkSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";

export type Chunk = MessageInitShape<typeof InvocationChunkSchema>;

/** One InvokeBindingStream as its caller sees it, who reads all that comes. */
export class StreamCaller {
  readonly chunks: AnswerChunk[] = [];
  /** How many messages the answers came in. */
  messages = 0;
  /** Resolves when the stream has ended, with what it failed of. */
  readonly ended: Promise<Error | undefined>;
  readonly #waiting: { chunks: Chunk[] }[] = [];
  #isOver = false;
  /** Nothing more comes. */
  isEnded = false;
  #wake: (() => void) | undefined;
  /** Messages that the other side has asked for. */
  taken = 0;

  constructor(client: Client<typeof Bindings>, options?: CallOptions) {
    this.ended = this.#read(client.invokeBindingStream(this.#requests(), options));
  }

  /** Sends one message. */
  send(...chunks: Chunk[]): this {
    this.#waiting.push({ chunks });
    this.#wake?.();
    return this;
  }

  /** Sends no more. */
  finish(): this {
    this.#isOver = true;
    this.#wake?.();
    return this;
  }

  async #read(answers: AsyncIterable<{ chunks: AnswerChunk[] }>): Promise<Error | undefined> {
    try {
      for await (const { chunks } of answers) {
        this.messages++;
        this.chunks.push(...chunks);
      }
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.isEnded = true;
    }
  }

  async *#requests() {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        this.taken++;
        yield next;
      } else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
