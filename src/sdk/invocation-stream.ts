import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  InvocationChunkSchema,
  InvokeBindingStreamRequestSchema,
  InvokeBindingStreamResponseSchema,
  type AnswerChunk,
  type InvocationChunk,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import type { BindingError } from "../errors.ts";
import { FlushScheduler } from "./flush-scheduler.ts";
import { bindingErrorOf } from "./failure.ts";
import type { Invocation } from "./invocation.ts";

/** The most of a payload that one chunk carries, and about as much as one message does, in bytes. */
export const chunkBytes = 64 * 1024;
/** What a chunk costs beside its payload, about. */
const overhead = 64;
const largestNumber = 2 ** 32 - 1;
const noBytes = new Uint8Array(0);

/** An invocation whose answer is awaited. */
type Open = {
  readonly invocation: Invocation;
  readonly number: number;
  /** Bytes of the payload that are written. */
  written: number;
  metadata: Readonly<Record<string, string>>;
  parts: Uint8Array[];
};

/**
 * Any number of invocations on one stream, apart from how its messages travel: {@link messages} are to be
 * sent, and what is received goes into {@link receive}.
 */
export class InvocationStream {
  /** Called when the last invocation that was open is answered. */
  onIdle: (() => void) | undefined;
  readonly #turn = new FlushScheduler();
  readonly #open = new Map<number, Open>();
  #queue: Invocation[] = [];
  /** The one whose payload is being written, chunk by chunk. */
  #writing: Open | undefined;
  #number = 0;
  #finishing = false;
  #over = false;

  /** Puts an invocation in line. */
  add(invocation: Invocation): void {
    this.#queue.push(invocation);
    this.#turn.schedule();
  }

  /** Whether an invocation waits to be written or to be answered. */
  get busy(): boolean {
    return this.#open.size > 0 || this.#queue.length > 0;
  }

  /** What is to be sent. Ends once the stream was told to {@link finish} and all is answered. */
  async *messages(): AsyncGenerator<Uint8Array> {
    while (!this.#over) {
      const message = this.#take();
      if (message !== undefined) yield message;
      else if (this.#finishing && !this.busy) return;
      else await this.#turn.wait();
    }
  }

  /** Ends the stream when all that was added is answered. */
  finish(): void {
    this.#finishing = true;
    this.#turn.wake();
  }

  /** Takes a message of the runtime. Throws when it is none. */
  receive(bytes: Uint8Array): void {
    for (const chunk of fromBinary(InvokeBindingStreamResponseSchema, bytes).chunks) {
      const open = this.#open.get(chunk.invocation);
      if (open !== undefined) this.#answer(open, chunk);
    }
  }

  /**
   * The stream is over. Those that were not written are handed back, and with `nothingProcessed` the others
   * too; what remains fails with the error.
   */
  end(nothingProcessed: boolean, error: BindingError): Invocation[] {
    this.#over = true;
    const unsent: Invocation[] = [];
    for (const { invocation } of this.#open.values()) {
      if (!nothingProcessed) {
        invocation.fail(error);
      } else if (!invocation.over) {
        invocation.sent = false;
        unsent.push(invocation);
      }
    }
    unsent.push(...this.#queue.filter(({ over }) => !over));
    this.#open.clear();
    this.#queue = [];
    this.#turn.wake();
    return unsent;
  }

  #answer(open: Open, { metadata, data, last, error }: AnswerChunk): void {
    const { invocation, number, parts } = open;
    if (parts.length === 0 && Object.keys(metadata).length > 0) open.metadata = metadata;
    if (data.length > 0) parts.push(data);
    if (!last && error === undefined) return;
    this.#open.delete(number);
    if (this.#writing === open) this.#writing = undefined;
    if (error !== undefined) invocation.fail(bindingErrorOf(error));
    else invocation.succeed({ data: joined(parts), metadata: open.metadata });
    if (this.busy) return;
    this.onIdle?.();
    if (this.#finishing) this.#turn.wake();
  }

  /** As many chunks as fit into one message, once the turn in which the first was added is over. */
  #take(): Uint8Array | undefined {
    if (!this.#turn.due) return undefined;
    const chunks: InvocationChunk[] = [];
    let bytes = 0;
    let next = 0;
    while (bytes < chunkBytes) {
      let chunk: InvocationChunk;
      if (this.#writing !== undefined) {
        chunk = this.#next(this.#writing);
      } else {
        const invocation = this.#queue[next];
        if (invocation === undefined) break;
        next++;
        // Its time was over before it was sent.
        if (invocation.over) continue;
        chunk = this.#begin(invocation);
      }
      chunks.push(chunk);
      bytes += overhead + chunk.data.length;
    }
    this.#queue = this.#queue.slice(next);
    this.#turn.take(this.#queue.length === 0 && this.#writing === undefined);
    if (chunks.length === 0) return undefined;
    return toBinary(
      InvokeBindingStreamRequestSchema,
      create(InvokeBindingStreamRequestSchema, { chunks }),
    );
  }

  #begin(invocation: Invocation): InvocationChunk {
    const { name, operation, metadata } = invocation;
    invocation.sent = true;
    const number = this.#freeNumber();
    const open: Open = { invocation, number, written: 0, metadata: {}, parts: [] };
    this.#open.set(number, open);
    this.#writing = open;
    const chunk = this.#next(open);
    chunk.start = create(InvocationChunkSchema, { start: { name, operation, metadata } }).start;
    return chunk;
  }

  #next(open: Open): InvocationChunk {
    const payload = open.invocation.data ?? noBytes;
    const data = payload.subarray(open.written, open.written + chunkBytes);
    open.written += data.length;
    const last = open.written === payload.length;
    if (last) this.#writing = undefined;
    return create(InvocationChunkSchema, { invocation: open.number, data, last });
  }

  #freeNumber(): number {
    do {
      this.#number = this.#number === largestNumber ? 1 : this.#number + 1;
    } while (this.#open.has(this.#number));
    return this.#number;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] ?? noBytes;
  return parts.length === 0 ? noBytes : Buffer.concat(parts);
}
