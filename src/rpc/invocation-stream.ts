import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  InvocationChunk,
  InvocationStart,
  InvokeBindingStreamRequest,
  InvokeBindingStreamResponseSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import type { Answer, StreamAnswer } from "../binding.ts";
import { BindingError } from "../errors.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { noRoom } from "../memory/budget.ts";
import { idempotencyKey } from "../runtime/outputs/idempotency.ts";
import { AnswerQueue, type AnswerChunk } from "./answer-queue.ts";
import { partPassed } from "./collection.ts";
import { asError, invokeStatus } from "./errors.ts";
import type { InvocationStreamOptions } from "./invocation-stream-options.ts";
import { metadataBytes, metadataProblem } from "./metadata-limit.ts";
import { PayloadWatch } from "./payload-watch.ts";
import { StreamedInvocation, WholeInvocation, type OpenInvocation } from "./open-invocation.ts";

type Response = MessageInitShape<typeof InvokeBindingStreamResponseSchema>;

/** The most invocations that run at one time, and the most that wait for the rest of their payload. */
const mostOpen = 1000;
/** Bytes of payloads not yet taken, or of answers not yet sent, at which the stream is not read on. */
const mostWaiting = 256 * 1024;
/** The most bytes of an answer in one chunk, and about the most in one message. */
const largestChunk = 64 * 1024;
/** The most invocations that have failed while their payload still comes. */
const mostDiscarded = 10_000;

/** The invocations of one stream: any number at one time, their payloads and answers in parts. */
export class InvocationStream {
  readonly #options: InvocationStreamOptions;
  readonly #open = new Map<number, OpenInvocation>();
  /** Those whose answer has ended before their payload did. */
  readonly #discarded = new Set<number>();
  readonly #answers: AnswerQueue;
  readonly #waitingForAnswers: (() => void)[] = [];
  readonly #mostHeld: number;
  readonly #chunkSize: number;
  readonly #watch = new PayloadWatch(
    () => this.#gathered > 0 && !this.#isFull,
    (error) => this.#fail(error),
  );
  #mostRunning = mostOpen;
  /** Invocations with their whole payload that have not ended. */
  #running = 0;
  /** Their payloads, in bytes. */
  #runningBytes = 0;
  /** Invocations that wait for the rest of their payload. */
  #incomplete = 0;
  /** What is gathered of those, in bytes. */
  #gathered = 0;
  /** Parts that operations have not yet taken, in bytes. */
  #untaken = 0;
  #resume: (() => void) | undefined;
  #isRead = false;
  #failure: Error | undefined;

  constructor(options: InvocationStreamOptions) {
    this.#options = options;
    this.#mostHeld = 4 * options.maxBodySize;
    this.#chunkSize = Math.min(largestChunk, Math.ceil(options.maxBodySize / 2));
    this.#answers = new AnswerQueue(this.#chunkSize, () => this.#goOn());
  }

  /** Runs what the requests say. Throws when the stream itself is at fault; each invocation fails by itself. */
  async *answers(requests: AsyncIterable<InvokeBindingStreamRequest>): AsyncGenerator<Response> {
    const { signal } = this.#options;
    const gone = (): void => this.#fail(asError(signal.reason));
    signal.addEventListener("abort", gone, { once: true });
    if (signal.aborted) gone();
    this.#watch.start();
    void this.#read(requests);
    try {
      for (;;) {
        const chunks = await this.#answers.take();
        if (chunks === undefined) break;
        yield { chunks };
      }
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      signal.removeEventListener("abort", gone);
      this.#watch.stop();
      this.#fail(new Error("cancelled by the caller"));
    }
  }

  async #read(requests: AsyncIterable<InvokeBindingStreamRequest>): Promise<void> {
    try {
      await this.#options.runtime.known;
      for await (const { chunks } of requests) {
        for (const chunk of chunks) {
          while (this.#isFull && this.#failure === undefined)
            await new Promise<void>((resolve) => (this.#resume = resolve));
          if (this.#failure !== undefined) return;
          this.#accept(chunk);
        }
      }
      this.#isRead = true;
      for (const one of this.#open.values()) {
        if (one.complete) continue;
        this.#refuse(one, Code.invalidArgument, "the stream ended before its payload did");
      }
      this.#endIfDone();
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  get #isFull(): boolean {
    return (
      this.#running >= this.#mostRunning ||
      this.#runningBytes > this.#mostHeld ||
      this.#untaken > mostWaiting ||
      this.#answers.bytes > mostWaiting
    );
  }

  #goOn(): void {
    if (this.#answers.bytes <= mostWaiting || this.#failure !== undefined) {
      for (const goOn of this.#waitingForAnswers.splice(0)) goOn();
    }
    if (this.#isFull && this.#failure === undefined) return;
    this.#resume?.();
    this.#resume = undefined;
  }

  #accept(chunk: InvocationChunk): void {
    const { invocation: id, start, data, last } = chunk;
    this.#watch.received += data.length;
    const one = this.#open.get(id);
    if (start !== undefined) {
      if (one !== undefined) {
        const text = `invocation ${id} was started while it is open; a number is free again after the last chunk of its answer`;
        throw new GrpcFailure(Code.invalidArgument, text);
      }
      this.#discarded.delete(id);
      this.#start(id, start, data, last);
    } else if (one instanceof StreamedInvocation && !one.complete) {
      this.#takePart(one, data, last);
    } else if (one instanceof WholeInvocation && !one.complete) {
      this.#gather(one, data, last);
    } else if (one !== undefined) {
      this.#refuse(one, Code.invalidArgument, "a chunk came after the last one of its payload");
    } else if (this.#discarded.has(id)) {
      if (last) this.#discarded.delete(id);
    } else {
      if (!last) this.#discard(id);
      this.#sayRefused(id, Code.invalidArgument, "its first chunk has no start");
    }
  }

  #start(id: number, start: InvocationStart, data: Uint8Array, last: boolean): void {
    const { runtime, trace } = this.#options;
    const metadata = Object.assign(start.metadata, trace(start.metadata));
    let inParts: boolean;
    try {
      // One that is to happen once has to be compared with its repetitions: it is taken whole.
      inParts = runtime.takesStream(start.name, start.operation) && !(idempotencyKey in metadata);
    } catch (thrown) {
      if (!last) this.#discard(id);
      return this.#sayFailed(id, start.name, BindingError.from(thrown));
    }
    if (!last && this.#incomplete >= mostOpen) {
      this.#discard(id);
      const text = `${mostOpen} invocations of this stream already wait for the rest of their payload`;
      return this.#sayRefused(id, Code.resourceExhausted, text);
    }
    const memory = this.#options.memory.open();
    const problem = metadataProblem(metadata);
    if (problem !== undefined || !memory.reserve(openOverhead + metadataBytes(metadata))) {
      if (!last) this.#discard(id);
      const code = problem === undefined ? Code.unavailable : Code.resourceExhausted;
      return this.#sayRefused(id, code, problem ?? noRoom);
    }
    if (inParts) {
      const one = new StreamedInvocation(id, start, metadata, memory, (bytes) => {
        this.#untaken -= bytes;
        this.#goOn();
      });
      this.#open.set(id, one);
      this.#incomplete++;
      this.#takePart(one, data, last);
      void this.#runStreamed(one);
    } else {
      const one = new WholeInvocation(id, start, metadata, memory);
      this.#open.set(id, one);
      this.#incomplete++;
      this.#gather(one, data, last);
    }
  }

  #takePart(one: StreamedInvocation, data: Uint8Array, last: boolean): void {
    this.#untaken += data.length;
    one.memory.add(data.length);
    one.body.push(data);
    partPassed(data.length);
    if (!last) return;
    one.complete = true;
    this.#incomplete--;
    this.#running++;
    one.body.complete();
  }

  #gather(one: WholeInvocation, data: Uint8Array, last: boolean): void {
    const { maxBodySize } = this.#options;
    const { name, operation, gathered } = one;
    if (gathered + data.length > maxBodySize) {
      const text = `operation ${operation} of ${name} takes its payload whole, and so at most ${maxBodySize} bytes of it`;
      return this.#refuse(one, Code.resourceExhausted, text);
    }
    if (!last) {
      if (this.#gathered + data.length > this.#mostHeld) {
        const text = `the incomplete payloads of this stream hold ${this.#gathered} bytes, which may be at most ${this.#mostHeld}; send the rest of some first`;
        return this.#refuse(one, Code.resourceExhausted, text);
      }
      if (!one.memory.reserve(data.length)) return this.#refuse(one, Code.unavailable, noRoom);
      one.gather(data);
      this.#gathered += data.length;
      return;
    }
    if (!one.memory.reserve(data.length)) return this.#refuse(one, Code.unavailable, noRoom);
    one.finish(data);
    this.#incomplete--;
    this.#gathered -= gathered;
    this.#running++;
    this.#runningBytes += gathered + data.length;
    this.#options.runtime.invoke(one).then(
      (answer) => {
        this.#settled(one);
        this.#answerWhole(one, answer);
      },
      (thrown: unknown) => {
        this.#settled(one);
        this.#failed(one, thrown);
      },
    );
  }

  /** Nothing of the invocation runs any more, whether its answer had ended before or not. */
  #settled(one: OpenInvocation): void {
    one.memory.release();
    if (one instanceof WholeInvocation) this.#runningBytes -= one.data?.length ?? 0;
    if (one.complete) this.#running--;
    // A running one whose answer has ended is incomplete no more.
    else if (!one.over) this.#incomplete--;
    if (this.#resume !== undefined) this.#goOn();
  }

  #answerWhole(one: OpenInvocation, answer: Answer | undefined): void {
    if (one.over) return;
    const { data = none, metadata = noMetadata } = answer ?? noAnswer;
    if (data.length > largestChunk / 4) {
      // Large answers are all in memory: the larger they are, the fewer at one time.
      const fitting = Math.floor(this.#mostHeld / data.length);
      this.#mostRunning = Math.max(1, Math.min(this.#mostRunning, fitting));
    }
    const size = this.#chunkSize;
    if (data.length <= size) {
      const chunk = { invocation: one.id, data, metadata, last: true };
      this.#end(one, chunk, data.length + metadataBytes(metadata));
      return;
    }
    this.#pushPart(one, data.subarray(0, size), metadata);
    let start = size;
    for (; data.length - start > size; start += size) {
      this.#pushPart(one, data.subarray(start, start + size));
    }
    const rest = data.subarray(start);
    this.#end(one, { invocation: one.id, data: rest, last: true }, rest.length);
  }

  async #runStreamed(one: StreamedInvocation): Promise<void> {
    let answer: StreamAnswer | undefined;
    try {
      answer = await this.#options.runtime.invokeStream(one);
      if (answer?.body !== undefined) await this.#pass(one, answer.body, answer.metadata);
    } catch (thrown) {
      this.#settledStreamed(one);
      return this.#failed(one, thrown);
    }
    this.#settledStreamed(one);
    if (answer?.body === undefined) this.#answerWhole(one, answer);
    else this.#end(one, { invocation: one.id, last: true }, 0);
  }

  #settledStreamed(one: StreamedInvocation): void {
    this.#settled(one);
    one.body.drop();
    if (!one.complete && !one.over) this.#discard(one.id);
  }

  /** Sends the answer on, no faster than the caller takes it. */
  async #pass(
    one: StreamedInvocation,
    body: AsyncIterable<Uint8Array>,
    metadata: Record<string, string> | undefined,
  ): Promise<void> {
    if (metadata !== undefined) this.#pushPart(one, none, metadata);
    for await (const part of body) {
      for (let start = 0; start < part.length; start += this.#chunkSize) {
        while (this.#answers.bytes > mostWaiting && !one.over)
          await new Promise<void>((resolve) => this.#waitingForAnswers.push(resolve));
        if (one.over) return;
        this.#pushPart(one, part.subarray(start, start + this.#chunkSize));
      }
      partPassed(part.length);
    }
  }

  #pushPart(one: OpenInvocation, data: Uint8Array, metadata: Record<string, string> = {}): void {
    if (one.over) return;
    const size = data.length + metadataBytes(metadata);
    this.#answers.push({ invocation: one.id, data, metadata }, size);
  }

  #failed(one: OpenInvocation, thrown: unknown): void {
    if (one.over) return;
    const error = BindingError.from(thrown);
    this.#open.delete(one.id);
    one.over = true;
    this.#sayFailed(one.id, one.name, error);
    this.#endIfDone();
  }

  #end(one: OpenInvocation, chunk: AnswerChunk, size: number): void {
    if (one.over) return;
    this.#open.delete(one.id);
    one.over = true;
    this.#answers.push(chunk, size);
    this.#endIfDone();
  }

  /** Ends an invocation that its caller got wrong. */
  #refuse(one: OpenInvocation, code: Code, text: string): void {
    this.#open.delete(one.id);
    if (!one.complete) {
      this.#incomplete--;
      if (one instanceof WholeInvocation) this.#drop(one);
      if (!this.#isRead) this.#discard(one.id);
    }
    this.#sayRefused(one.id, code, text);
    one.abort(new BindingError("cancelled", `invocation ${one.id}: ${text}`));
    this.#endIfDone();
  }

  /** What was gathered of its payload is not needed any more. */
  #drop(one: WholeInvocation): void {
    this.#gathered -= one.gathered;
    one.memory.release();
  }

  #sayRefused(id: number, code: Code, text: string): void {
    const message = `invocation ${id}: ${text}`;
    this.#answers.push({ invocation: id, last: true, error: { code, message } }, message.length);
  }

  #sayFailed(id: number, name: string, error: BindingError): void {
    const status = invokeStatus(name, error);
    const metadata = error.metadata ?? {};
    const details = status.details.reduce((sum, { value }) => sum + value.length, 0);
    const size = status.message.length + details + metadataBytes(metadata);
    this.#answers.push({ invocation: id, last: true, error: status, metadata }, size);
  }

  /** What still comes of the invocation's payload is read and dropped. */
  #discard(id: number): void {
    if (this.#discarded.size >= mostDiscarded) {
      const text = `invocation ${id}: ${mostDiscarded} invocations of this stream have failed, and the rest of their payloads has not come`;
      return this.#fail(new GrpcFailure(Code.resourceExhausted, text));
    }
    this.#discarded.add(id);
  }

  #endIfDone(): void {
    if (this.#isRead && this.#open.size === 0) this.#answers.close();
  }

  /** Ends the stream: nothing more is read, and whatever is open is told that nobody waits. */
  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const one of this.#open.values()) {
      if (one instanceof WholeInvocation && !one.complete) this.#drop(one);
      one.abort(error);
    }
    this.#open.clear();
    this.#answers.close();
    this.#goOn();
  }
}

/** About what an open invocation takes beside its payload and its metadata, in bytes. */
const openOverhead = 1024;
const none = new Uint8Array();
const noMetadata: Record<string, string> = {};
const noAnswer: Answer = {};
