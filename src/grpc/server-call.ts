import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { callOverhead, headerBytes, type CallMemory } from "./call-memory.ts";
import { toGrpcFailure } from "./failure.ts";
import { gunzipMessage } from "./frame.ts";
import type { CallContext } from "./method.ts";
import {
  Code,
  encodeBinaryHeader,
  encodeGrpcMessage,
  GrpcFailure,
  MessageTooLarge,
  type ResponseHeaders,
} from "./status.ts";
import { longestTimer, parseGrpcTimeout } from "./timeout.ts";
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
  readonly admit?: ((headers: IncomingHttpHeaders) => void) | undefined;
};

/** A stream as the server's event hands it over, and the memory that its call may use. */
export type Arrival = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values by turns. */
  readonly rawHeaders: readonly string[];
  readonly memory: CallMemory;
};

const head = { ":status": 200, "content-type": "application/grpc" } as const;
// Names and values in turn, which Node sends as they are: gRPC needs no date.
const plainHead = [":status", "200", "content-type", "application/grpc"];
const ok = { "grpc-status": "0", "grpc-message": "" };
const trailersFollow = { waitForTrailers: true, sendDate: false } as const;
// One for all, for an error costs its stack.
const ended = new Error("the call has ended");

/** What unary calls and streams share: admission, deadline, cancellation, metadata and the status. */
export abstract class ServerCall implements CallContext, WatchedCall {
  readonly headers: IncomingHttpHeaders;
  turn: WatchedCall["turn"] = "server";
  received = 0;
  deadline: number | undefined;
  protected readonly stream: ServerHttp2Stream;
  protected readonly options: ServerCallOptions;
  protected over = false;
  readonly #memory: CallMemory;
  readonly #overhead: number;
  #holding = 0;
  #isClosed = false;
  #abort: AbortController | undefined;
  #reason: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #headers: ResponseHeaders | undefined;
  #trailers: ResponseHeaders | undefined;

  constructor({ stream, headers, rawHeaders, memory }: Arrival, options: ServerCallOptions) {
    this.stream = stream;
    this.headers = headers;
    this.options = options;
    this.#memory = memory;
    this.#overhead = callOverhead + headerBytes(rawHeaders);
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
    const stream = this.stream;
    // An error of the stream is the caller's going away; `close` follows and says so.
    stream.on("error", ignore);
    stream.on("close", () => this.#close());
    try {
      this.reserve(this.#overhead);
      this.options.admit?.(this.headers);
      this.#checkEncoding();
      this.#startTimer();
    } catch (error) {
      stream.resume();
      return this.fail(error);
    }
    stream.on("data", (chunk: Buffer) => {
      if (this.over) return;
      this.received += chunk.length;
      try {
        this.receive(chunk);
      } catch (error) {
        this.fail(error);
      }
    });
    stream.on("end", () => {
      // A reset ends the request as well, and `close` says so.
      if (this.over || stream.closed) return;
      this.turn = "server";
      this.receivedAll();
    });
    watchedCalls.watch(this);
    this.run();
  }

  /** Begins what need not wait for the request. */
  protected abstract run(): void;
  protected abstract receive(chunk: Buffer): void;
  protected abstract receivedAll(): void;
  /** Called when the call ends before its answer was whole. */
  protected abstract abandon(failure: GrpcFailure): void;

  /** Counts bytes that are there; negative ones are there no more. What is left goes with the stream. */
  protected hold(bytes: number): void {
    if (this.#isClosed) return;
    this.#holding += bytes;
    this.#memory.add(bytes);
  }

  reserve(bytes: number): void {
    if (bytes <= 0) return this.hold(bytes);
    if (this.#isClosed) return;
    if (!this.#memory.reserve(bytes)) {
      const text = "the server holds too many bytes of unfinished calls; try again";
      throw new GrpcFailure(Code.unavailable, text);
    }
    this.#holding += bytes;
  }

  /** Unpacks a compressed message. */
  protected async unpack(message: Uint8Array): Promise<Uint8Array> {
    if (this.headers["grpc-encoding"] !== "gzip") {
      const text = "grpc: compressed flag set with identity or empty encoding";
      throw new GrpcFailure(Code.internal, text);
    }
    return whenUnpacking(() => gunzipMessage(message, this.options.maxMessageSize));
  }

  endSlow(): void {
    this.fail(new GrpcFailure(Code.deadlineExceeded, tooSlow));
  }

  limitReading(milliseconds: number): void {
    this.stream.setTimeout(milliseconds, () => this.stream.close(constants.NGHTTP2_CANCEL));
  }

  /** Whether answers are compressed. */
  protected get compresses(): boolean {
    if (this.options.compressMinBytes === undefined) return false;
    const accepted = this.headers["grpc-accept-encoding"];
    return accepted !== undefined && /(^|,)\s*gzip\s*(,|$)/.test(String(accepted));
  }

  #checkEncoding(): void {
    const encoding = this.headers["grpc-encoding"];
    if (encoding === undefined || encoding === "identity" || encoding === "gzip") return;
    const text = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`;
    const metadata = { "grpc-accept-encoding": "identity,gzip" };
    throw new GrpcFailure(Code.unimplemented, text, undefined, metadata);
  }

  /** Throws when an answer is larger than allowed. */
  protected checkAnswer(message: Uint8Array): void {
    const { maxMessageSize, maxAnswerSize: limit = maxMessageSize } = this.options;
    if (message.length <= limit) return;
    throw new MessageTooLarge(
      `trying to send message larger than max (${message.length} vs. ${limit})`,
    );
  }

  /** Sends the headers, once. Throws when they are no headers. */
  protected respond(): void {
    const stream = this.stream;
    if (stream.headersSent || isGone(stream)) return;
    const compression = this.compresses ? { "grpc-encoding": "gzip" } : undefined;
    const isPlain = this.#headers === undefined && compression === undefined;
    stream.respond(
      isPlain ? plainHead : { ...this.#headers, ...compression, ...head },
      trailersFollow,
    );
  }

  /** Ends the call well, with the frame that was not written yet if there is one. Throws as {@link respond} does. */
  protected succeed(last?: Uint8Array): void {
    const stream = this.stream;
    this.respond();
    this.finish(ended);
    if (this.#trailers === undefined && stream.readableEnded) stream.on("wantTrailers", sendOk);
    else this.#sendLater({ ...this.#trailers, ...ok });
    if (last === undefined) {
      stream.end();
    } else {
      this.hold(last.length);
      stream.end(last);
    }
  }

  /** Ends the call with the status of what was thrown. Nothing happens when it is over. */
  protected fail(thrown: unknown): void {
    if (this.over) return;
    const failure = this.#namingLimitFlag(toGrpcFailure(thrown));
    this.finish(failure);
    this.abandon(failure);
    if (isGone(this.stream)) return;
    const status = statusOf(failure);
    try {
      this.#sendFailure({ ...this.#trailers, ...failure.metadata, ...status });
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

  #sendFailure(trailers: ResponseHeaders): void {
    const stream = this.stream;
    if (stream.headersSent || this.#headers !== undefined) {
      this.respond();
      this.#sendLater(trailers);
      stream.end();
    } else {
      stream.respond({ ...trailers, ...head }, { endStream: true });
      this.#discardBody();
    }
  }

  #sendLater(trailers: ResponseHeaders): void {
    const stream = this.stream;
    stream.on("wantTrailers", () => {
      try {
        stream.sendTrailers(trailers);
      } catch {
        const { "grpc-status": status, "grpc-message": text } = trailers;
        stream.sendTrailers({ "grpc-status": status, "grpc-message": text });
      }
      this.#discardBody();
    });
  }

  /** A caller that is still sending is told to stop without it looking like a failure. */
  #discardBody(): void {
    const stream = this.stream;
    if (stream.readableEnded) return;
    stream.resume();
    // Later, for a reset overtakes the answer that waits to be written, and it would be lost.
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  protected finish(reason: Error): void {
    this.over = true;
    this.turn = "reader";
    this.#reason = reason;
    clearTimeout(this.#timer);
    this.#abort?.abort(reason);
  }

  #startTimer(): void {
    const header = this.headers["grpc-timeout"];
    if (header === undefined) return;
    const timeout = parseGrpcTimeout(String(header));
    if (timeout === undefined) {
      throw new GrpcFailure(Code.invalidArgument, `malformed grpc-timeout: ${String(header)}`);
    }
    this.deadline = performance.now() + timeout;
    if (timeout > longestTimer) return;
    this.#timer = setTimeout(() => {
      this.fail(new GrpcFailure(Code.deadlineExceeded, "context deadline exceeded"));
    }, timeout);
  }

  #close(): void {
    if (!this.over) {
      const gone = new GrpcFailure(Code.cancelled, "cancelled by the caller");
      this.finish(gone);
      this.abandon(gone);
    }
    watchedCalls.forget(this);
    this.hold(-this.#holding);
    this.#isClosed = true;
  }
}

function statusOf(failure: GrpcFailure): Record<string, string> {
  const status: Record<string, string> = {
    "grpc-status": String(failure.code),
    "grpc-message": encodeGrpcMessage(failure.message),
  };
  if (failure.details !== undefined)
    status["grpc-status-details-bin"] = encodeBinaryHeader(failure.details);
  return status;
}

function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed || stream.writableEnded;
}

function ignore(): void {}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(ok);
}
