import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { headFields, okFields, okTrailers, statusFields, withMetadata } from "./answer-fields.ts";
import type { CallMemory } from "./call-memory.ts";
import { deadlines, type Deadline, type TimedCall } from "./deadlines.ts";
import { toGrpcFailure } from "./failure.ts";
import { framePrefixBytes, gunzipMessage, writeFramePrefix } from "./frame.ts";
import type { CallContext } from "./method.ts";
import { sendStatus } from "./refusal.ts";
import type { RequestHead } from "./request-head.ts";
import { Code, GrpcFailure, MessageTooLarge, type ResponseHeaders } from "./status.ts";
import { longestTimer, parseGrpcTimeout } from "./timeout.ts";
import { endUnread } from "./unread.ts";
import { whenUnpacking } from "./unpacking.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "./watched-calls.ts";

export type ServerCallOptions = {
  /** The largest message either way, in bytes, before and after compression. */
  readonly maxMessageSize: number;
  /** The largest answer, where that is another. Default: `maxMessageSize`. */
  readonly maxAnswerSize?: number | undefined;
  /** The flag by which a person sets the limits, named in the errors. */
  readonly limitFlag?: string | undefined;
  /** Answers of at least so many bytes are compressed for callers that accept gzip. Default: none is. */
  readonly compressMinBytes?: number | undefined;
  /** Called first; throws a {@link GrpcFailure} to refuse the call. */
  readonly admit?: ((head: RequestHead) => void) | undefined;
};

/** A stream as a connection hands it over, and the memory that its messages may use. */
export type Arrival = {
  readonly stream: Http2Stream;
  readonly head: HeaderBlock;
  readonly memory: CallMemory;
};

/** Of the message that is being sent. */
const prefix = Buffer.alloc(framePrefixBytes);
// One for all, for an error costs its stack.
const ended = new Error("the call has ended");

/**
 * What unary calls and streams share: admission, deadline, cancellation, metadata and the status. The call itself is
 * what its stream tells of events.
 */
export abstract class ServerCall implements CallContext, WatchedCall, TimedCall, StreamListener {
  readonly head: HeaderBlock;
  turn: WatchedCall["turn"] = "server";
  received = 0;
  watchPlace = -1;
  deadline: number | undefined;
  protected readonly stream: Http2Stream;
  protected readonly options: ServerCallOptions;
  protected over = false;
  readonly #memory: CallMemory;
  #holding = 0;
  #isClosed = false;
  #abort: AbortController | undefined;
  #reason: Error | undefined;
  #deadline: Deadline | undefined;
  #headers: ResponseHeaders | undefined;
  #trailers: ResponseHeaders | undefined;

  constructor({ stream, head, memory }: Arrival, options: ServerCallOptions) {
    this.stream = stream;
    this.head = head;
    this.options = options;
    this.#memory = memory;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.over) this.#abort.abort(this.#reason ?? ended);
    return this.#abort.signal;
  }

  setHeaders(headers: ResponseHeaders): void {
    this.#headers = this.#headers === undefined ? headers : { ...this.#headers, ...headers };
  }

  setTrailers(trailers: ResponseHeaders): void {
    this.#trailers = this.#trailers === undefined ? trailers : { ...this.#trailers, ...trailers };
  }

  sendHeaders(): void {
    if (!this.over) this.respond();
  }

  start(): void {
    // Before anything is sent, for that may end the stream.
    this.stream.listener = this;
    try {
      this.options.admit?.(this.head);
      this.#checkEncoding();
      this.#startDeadline();
    } catch (error) {
      return this.fail(error);
    }
    watchedCalls.watch(this);
    this.run();
  }

  data(chunk: Buffer): void {
    if (this.over) return;
    this.received += chunk.length;
    try {
      this.receive(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  ended(): void {
    if (this.over) return;
    this.turn = "server";
    this.receivedAll();
  }

  closed(): void {
    if (!this.over) {
      const gone = new GrpcFailure(Code.cancelled, "cancelled by the caller");
      this.finish(gone);
      this.abandon(gone);
    }
    watchedCalls.forget(this);
    if (this.#holding !== 0) this.#memory.add(-this.#holding);
    this.#isClosed = true;
  }

  /** Begins what need not wait for the request. */
  protected abstract run(): void;
  protected abstract receive(chunk: Buffer): void;
  protected abstract receivedAll(): void;
  /** Called when the call ends before its answer was whole. */
  protected abstract abandon(failure: GrpcFailure): void;

  /** Counts bytes that are kept; negative ones are kept no more. What is left goes with the stream. */
  reserve(bytes: number): void {
    if (this.#isClosed || bytes === 0) return;
    if (bytes < 0) {
      this.#memory.add(bytes);
    } else if (!this.#memory.reserve(bytes)) {
      const text = "the server holds too many bytes of unfinished calls; try again";
      throw new GrpcFailure(Code.unavailable, text);
    }
    this.#holding += bytes;
  }

  /** Unpacks a compressed message. */
  protected async unpack(message: Uint8Array): Promise<Uint8Array> {
    if (this.head.get("grpc-encoding") !== "gzip") {
      const text = "grpc: compressed flag set with identity or empty encoding";
      throw new GrpcFailure(Code.internal, text);
    }
    return whenUnpacking(() => gunzipMessage(message, this.options.maxMessageSize));
  }

  endSlow(): void {
    this.fail(new GrpcFailure(Code.deadlineExceeded, tooSlow));
  }

  limitReading(milliseconds: number): void {
    endUnread(this.stream, milliseconds);
  }

  expire(): void {
    this.fail(new GrpcFailure(Code.deadlineExceeded, "context deadline exceeded"));
  }

  /** Whether answers are compressed. */
  protected get compresses(): boolean {
    if (this.options.compressMinBytes === undefined) return false;
    const accepted = this.head.get("grpc-accept-encoding");
    return accepted !== undefined && /(^|,)\s*gzip\s*(,|$)/.test(accepted);
  }

  #checkEncoding(): void {
    const encoding = this.head.get("grpc-encoding");
    if (encoding === undefined || encoding === "identity" || encoding === "gzip") return;
    const text = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`;
    const metadata = { "grpc-accept-encoding": "identity,gzip" };
    throw new GrpcFailure(Code.unimplemented, text, undefined, metadata);
  }

  /** Throws when an answer is larger than allowed. */
  protected checkAnswer(bytes: number): void {
    const { maxMessageSize, maxAnswerSize: limit = maxMessageSize } = this.options;
    if (bytes <= limit) return;
    throw new MessageTooLarge(`trying to send message larger than max (${bytes} vs. ${limit})`);
  }

  /** Sends the headers, once. Throws when they are no headers. */
  protected respond(): void {
    const stream = this.stream;
    if (stream.headersSent || isGone(stream)) return;
    stream.sendHeaders(headFields(this.#headers, this.compresses));
  }

  /** Ends the call well with its only message. Throws as {@link respond} does. */
  protected succeedWith(message: Uint8Array, isCompressed: boolean): void {
    const stream = this.stream;
    if (isGone(stream)) return this.finish(ended);
    writeFramePrefix(prefix, message.length, isCompressed);
    if (this.#trailers === undefined && stream.isReceived && !stream.headersSent) {
      this.#sendWhole(message);
      return this.finish(ended);
    }
    this.respond();
    stream.write(Buffer.from(prefix));
    stream.write(message);
    this.succeed();
  }

  /** Ends the call well. Throws as {@link respond} does. */
  protected succeed(): void {
    const stream = this.stream;
    if (isGone(stream)) return this.finish(ended);
    this.respond();
    this.finish(ended);
    try {
      this.#end(okFields(this.#trailers));
    } catch {
      // Metadata that HTTP/2 does not take is left out.
      this.#end(okTrailers);
    }
  }

  /** Sends a message behind {@link prefix}. */
  #sendWhole(message: Uint8Array): void {
    // The stream may close before this returns.
    this.over = true;
    try {
      const head = headFields(this.#headers, this.compresses);
      this.stream.sendWhole(head, message, okTrailers, prefix);
    } catch (error) {
      this.over = false;
      throw error;
    }
  }

  /** Ends the call with the status of what was thrown. Nothing happens when it is over. */
  protected fail(thrown: unknown): void {
    if (this.over) return;
    const failure = this.#namingLimitFlag(toGrpcFailure(thrown));
    this.finish(failure);
    this.abandon(failure);
    if (isGone(this.stream)) return;
    const status = statusFields(failure);
    try {
      this.#sendFailure(withMetadata(status, { ...this.#trailers, ...failure.metadata }));
    } catch {
      // The method's metadata is none that HTTP/2 takes, and the status is what counts.
      this.#headers = undefined;
      this.#sendFailure(status);
    }
  }

  #namingLimitFlag(failure: GrpcFailure): GrpcFailure {
    const { limitFlag } = this.options;
    if (limitFlag === undefined || !(failure instanceof MessageTooLarge)) return failure;
    return new GrpcFailure(failure.code, `${failure.message}; see ${limitFlag}`);
  }

  #sendFailure(trailers: readonly string[]): void {
    const stream = this.stream;
    if (stream.headersSent || this.#headers !== undefined) {
      this.respond();
      this.#end(trailers);
    } else {
      sendStatus(stream, trailers);
    }
  }

  /** A caller that is still sending is told to stop without it looking like a failure. */
  #end(trailers: readonly string[]): void {
    const stream = this.stream;
    if (stream.isReceived) return stream.end(undefined, trailers);
    stream.endEarly(undefined, trailers);
    // What waits to be read is not wanted any more.
    stream.resume();
  }

  protected finish(reason: Error): void {
    this.over = true;
    this.turn = "reader";
    this.#reason = reason;
    this.#deadline?.clear();
    this.#abort?.abort(reason);
  }

  #startDeadline(): void {
    const header = this.head.get("grpc-timeout");
    if (header === undefined) return;
    const timeout = parseGrpcTimeout(header);
    if (timeout === undefined)
      throw new GrpcFailure(Code.invalidArgument, `malformed grpc-timeout: ${header}`);
    const now = performance.now();
    this.deadline = now + timeout;
    if (timeout <= longestTimer) this.#deadline = deadlines.start(this, this.deadline, now);
  }
}

function isGone(stream: Http2Stream): boolean {
  return stream.isClosed || stream.isEnded;
}
