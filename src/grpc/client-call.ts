import type { Http2ClientConnection } from "../http2/client-connection.ts";
import { ErrorCode } from "../http2/error-code.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener, StreamReset } from "../http2/stream.ts";
import { Queued } from "./call-queue.ts";
import { forget, heed, type Heeded } from "./call-signals.ts";
import { Code } from "./status.ts";
import { longestTimer } from "./timeout.ts";

export type CallOptions = {
  /** Cancels the invocation when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until it times out. Default: never. */
  readonly timeout?: number | undefined;
  /**
   * Without a connection, waits for the attempt to connect that is under way, or makes one, and goes on to
   * another connection when this one ended before the call was taken. Default: `unsent` at once.
   */
  readonly waitForConnection?: boolean | undefined;
};

/**
 * How a call ended without a whole answer.
 *
 * - `unsent`: nothing of it can have been processed.
 * - `broken`: it was written, at least in part.
 */
export type Unanswered = Unsent | Broken;

type Unsent = { readonly kind: "unsent" } & Why;
type Broken = { readonly kind: "broken" } & Why;
type Why = {
  /** The gRPC status code that says it best. */
  readonly code: number;
  readonly reason: string;
};

/** What carries calls: a connection that is made again when lost. */
export type Carrier = {
  /** The call is cancelled before it was started. */
  withdraw(call: Call): void;
  /** The call's stream is gone. `unprocessed` tells why the server did not take it, if so: it may be started again. */
  ended(call: Call, connection: Http2ClientConnection, unprocessed?: string): void;
};

/** One call on one HTTP/2 stream, or on several when the server did not take the first. */
export abstract class Call extends Queued implements StreamListener {
  /** How often the server has not taken it. */
  refusals = 0;
  readonly waits: boolean;
  /** Its stream was reset by this side. */
  isCut = false;
  heededAt = 0;
  protected stream: Http2Stream | undefined;
  /** The answer's headers and its trailers. */
  protected head: HeaderBlock | undefined;
  protected trailers: HeaderBlock | undefined;
  readonly #carrier: Carrier;
  readonly #fields: readonly string[];
  readonly #signal: AbortSignal | undefined;
  readonly #timeout: number | undefined;
  #heeded: Heeded | undefined;
  #timer: NodeJS.Timeout | undefined;
  #expiresAt = Infinity;
  #connection: Http2ClientConnection | undefined;
  /** A stream was opened for it, which the server may have taken. */
  #written = false;
  #over = false;

  /** The fields are names and values in turn, as HTTP/2 carries them. */
  constructor(carrier: Carrier, fields: readonly string[], options: CallOptions) {
    super();
    this.#carrier = carrier;
    this.#fields = fields;
    this.#signal = options.signal;
    this.#timeout = options.timeout;
    this.waits = options.waitForConnection === true;
  }

  /** Its end was not told yet. */
  get pending(): boolean {
    return !this.#over;
  }

  /** Whether it may be started a second time: nothing that went into the first stream is lost. */
  abstract get repeatable(): boolean;
  /** Opens the stream, and writes the request or begins to. Throws as {@link Http2ClientConnection.open}. */
  protected abstract send(
    connection: Http2ClientConnection,
    fields: readonly string[],
  ): Http2Stream;
  /** {@link head} is there; `isLast`: nothing follows. */
  protected abstract begun(isLast: boolean): void;
  /** The whole answer is there; called at most once and not after {@link unanswered}. */
  protected abstract answered(): void;
  /** No whole answer will come; called at most once and not after {@link answered}. */
  protected abstract unanswered(end: Unanswered): void;

  /** Its end is known: cancellation makes no difference any more. */
  protected settled(): void {
    this.forgetSignal();
  }

  protected forgetSignal(): void {
    if (this.#heeded === undefined) return;
    forget(this.#heeded, this);
    this.#heeded = undefined;
  }

  /** Starts the clock and listens for cancellation. False when it is cancelled already. */
  begin(): boolean {
    const signal = this.#signal;
    const timeout = this.#timeout;
    if (signal !== undefined) {
      if (signal.aborted) {
        this.unsent("cancelled before it was sent", Code.cancelled);
        return false;
      }
      this.#heeded = heed(signal, this);
    }
    if (timeout !== undefined) {
      this.#expiresAt = performance.now() + timeout;
      this.#timer = setTimeout(expire, Math.min(timeout, longestTimer), this);
    }
    return true;
  }

  /** Ends it as one of which nothing was processed. */
  unsent(reason: string, code: number = Code.unavailable): void {
    this.#end({ kind: "unsent", code, reason });
  }

  /** Gives it up. */
  abort(reason: string, code: number): void {
    if (this.#over) return;
    if (!this.#written) {
      this.#carrier.withdraw(this);
      this.unsent(`${reason}, before it was sent`, code);
      return;
    }
    this.#end({ kind: "broken", code, reason });
    this.stream?.reset(ErrorCode.cancel);
  }

  /** Gives it up as its signal says. */
  cancelled(): void {
    this.abort("cancelled", Code.cancelled);
  }

  /** Gives it up as its deadline says. */
  expired(): void {
    this.abort(`no answer within ${this.#timeout} ms`, Code.deadlineExceeded);
  }

  /** Opens a stream. The carrier is told once when it is gone. */
  start(connection: Http2ClientConnection): void {
    if (this.#signal?.aborted === true) {
      // It has its turn because its signal has ended another call, and is told itself next.
      this.unsent("cancelled, before it was sent", Code.cancelled);
      this.#carrier.ended(this, connection);
      return;
    }
    this.#written = true;
    this.#connection = connection;
    try {
      this.stream = this.send(connection, this.#fields);
    } catch (error) {
      this.#written = false;
      const reason = error instanceof Error ? error.message : String(error);
      const isGone = !(error instanceof TypeError);
      if (isGone && !this.waits) this.unsent(reason);
      if (!isGone) {
        const text = `the request cannot be sent: ${reason}`;
        this.#end({ kind: "broken", code: Code.internal, reason: text });
      }
      this.#carrier.ended(this, connection, isGone ? reason : undefined);
    }
  }

  headers(block: HeaderBlock, isLast: boolean): void {
    this.head = block;
    this.begun(isLast);
  }

  abstract data(chunk: Buffer): void;

  ended(trailers: HeaderBlock | undefined): void {
    this.trailers = trailers;
    if (this.#finish()) this.answered();
    // A server may end a call while the client still sends; what it sends is not wanted any more.
    const { stream } = this;
    if (stream !== undefined && !stream.isEnded) stream.reset(ErrorCode.cancel);
  }

  closed(reset: StreamReset | undefined): void {
    const connection = this.#connection;
    this.stream = undefined;
    this.#connection = undefined;
    if (connection === undefined) return;
    this.isCut = reset?.by === "local";
    if (this.#over) return this.#carrier.ended(this, connection);
    if (reset?.isUnprocessed === true) {
      const isRefused = reset.by !== "connection";
      const reason = isRefused
        ? "the server refuses the stream"
        : "the server ended the connection before it took the request";
      if (isRefused || this.waits) return this.#unprocessed(connection, reason);
      this.unsent(reason);
    }
    // The server's clock may wake it a moment before this side's own does.
    if (performance.now() >= this.#expiresAt) this.expired();
    this.#end({ kind: "broken", code: codeOfReset(reset), reason: brokenReason(reset) });
    this.#carrier.ended(this, connection);
  }

  #unprocessed(connection: Http2ClientConnection, reason: string): void {
    this.#written = false;
    this.head = undefined;
    if (!this.repeatable) this.unsent(reason);
    this.#carrier.ended(this, connection, reason);
  }

  #end(end: Unanswered): void {
    if (this.#finish()) this.unanswered(end);
  }

  /** False when it was over already. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.settled();
    return true;
  }
}

function expire(call: Call): void {
  call.expired();
}

function brokenReason(reset: StreamReset | undefined): string {
  if (reset === undefined || reset.by === "peer")
    return `the stream broke (RST_STREAM ${reset?.code ?? ErrorCode.noError}) before the answer was complete`;
  return `the stream broke: ${reset.reason}`;
}

/** The status that gRPC prescribes for a stream that was reset. */
function codeOfReset(reset: StreamReset | undefined): Code {
  if (reset?.by === "connection") return Code.unavailable;
  switch (reset?.code) {
    case ErrorCode.cancel:
      return Code.cancelled;
    case ErrorCode.enhanceYourCalm:
      return Code.resourceExhausted;
    case ErrorCode.inadequateSecurity:
      return Code.permissionDenied;
    default:
      return Code.internal;
  }
}
