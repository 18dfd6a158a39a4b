import { constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
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

/** What carries calls: a connection. */
export type Carrier = {
  /** The call is cancelled before it was started. */
  withdraw(call: Call): void;
  /** The call's stream is gone. `unprocessed` tells why the server did not take it, if so: it may be started again. */
  ended(call: Call, session: ClientHttp2Session, unprocessed?: string): void;
};

const noHeaders: IncomingHttpHeaders = {};
/** The stream that a GOAWAY named as the last one that was processed. */
const lastStream = new WeakMap<ClientHttp2Session, number>();

/** One call on one HTTP/2 stream, or on several when the server did not take the first. */
export abstract class Call {
  /** How often the server has not taken it. */
  refusals = 0;
  readonly waits: boolean;
  protected stream: ClientHttp2Stream | undefined;
  protected firstHeaders = noHeaders;
  protected lastHeaders = noHeaders;
  readonly #carrier: Carrier;
  readonly #fields: readonly string[];
  readonly #signal: AbortSignal | undefined;
  readonly #timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #expiresAt = Infinity;
  /** A stream was opened for it, which the server may have taken. */
  #written = false;
  #answered = false;
  #complete = false;
  #failure = "";
  #over = false;

  /** The fields are names and values in turn, as HTTP/2 carries them. */
  constructor(carrier: Carrier, fields: readonly string[], options: CallOptions) {
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
  /** Writes the request. */
  protected abstract send(stream: ClientHttp2Stream): void;
  /** The answer's headers are there. */
  protected abstract begun(ended: boolean): void;
  protected abstract receive(chunk: Buffer): void;
  /** The whole answer is there; called at most once and not after {@link unanswered}. */
  protected abstract answered(): void;
  /** No whole answer will come; called at most once and not after {@link answered}. */
  protected abstract unanswered(end: Unanswered): void;

  /** Its end is known: cancellation makes no difference any more. */
  protected settled(): void {
    this.forgetSignal();
  }

  protected forgetSignal(): void {
    if (this.#signal !== undefined) forget(this.#signal, this);
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
      heed(signal, this);
    }
    if (timeout !== undefined) {
      this.#expiresAt = performance.now() + timeout;
      this.#timer = setTimeout(this.#expired, Math.min(timeout, longestTimer));
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
    this.stream?.close(constants.NGHTTP2_CANCEL);
  }

  /** Opens a stream. The carrier is told once when it is gone. */
  start(session: ClientHttp2Session): void {
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(this.#fields);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const gone = session.destroyed || session.closed;
      if (gone && !this.waits) this.unsent(reason);
      if (!gone) {
        const text = `the request cannot be sent: ${reason}`;
        this.#end({ kind: "broken", code: Code.internal, reason: text });
      }
      this.#carrier.ended(this, session, gone ? reason : undefined);
      return;
    }
    watchGoaway(session);
    this.stream = stream;
    this.#written = true;
    this.#listen(session, stream);
    this.send(stream);
  }

  #listen(session: ClientHttp2Session, stream: ClientHttp2Stream): void {
    stream.on("response", (headers, flags) => {
      this.firstHeaders = headers;
      this.#answered = true;
      this.#complete = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (!this.#over) this.begun(this.#complete);
    });
    stream.on("trailers", (trailers) => {
      this.lastHeaders = trailers;
      this.#complete = true;
    });
    stream.on("data", (chunk: Buffer) => {
      if (!this.#over) this.receive(chunk);
    });
    stream.on("end", () => {
      // Node ends the readable side of a stream that was reset, too: what came is then only a part.
      if (!this.#answered || !(this.#complete || stream.rstCode === 0)) return;
      if (this.#finish()) this.answered();
      // A server may end a call while the client still sends; what it sends is not wanted any more.
      if (!stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on("error", (error) => {
      this.#failure = error.message;
    });
    stream.on("close", () => this.#closed(session, stream));
  }

  #closed(session: ClientHttp2Session, stream: ClientHttp2Stream): void {
    this.stream = undefined;
    if (this.#over) return this.#carrier.ended(this, session);
    const code = stream.rstCode;
    if (code === constants.NGHTTP2_REFUSED_STREAM) {
      return this.#unprocessed(session, "the server refuses the stream");
    }
    const { id } = stream;
    // A GOAWAY that says how far the server has come is announced after the streams were closed.
    setImmediate(() => {
      if (id === undefined || id > (lastStream.get(session) ?? Infinity)) {
        const reason = "the server ended the connection before it took the request";
        if (this.waits) return this.#unprocessed(session, reason);
        this.unsent(reason);
      }
      // The server's clock may wake it a moment before this side's own does.
      if (performance.now() >= this.#expiresAt) this.#expired();
      const lost = session.destroyed || session.closed;
      const status = lost ? Code.unavailable : codeOfReset(code);
      this.#end({ kind: "broken", code: status, reason: brokenReason(code, this.#failure) });
      this.#carrier.ended(this, session);
    });
  }

  #unprocessed(session: ClientHttp2Session, reason: string): void {
    this.#written = false;
    if (!this.repeatable) this.unsent(reason);
    this.#carrier.ended(this, session, reason);
  }

  readonly #expired = (): void =>
    this.abort(`no answer within ${this.#timeout} ms`, Code.deadlineExceeded);

  #end(end: Unanswered): void {
    if (this.#finish()) this.unanswered(end);
  }

  /** False when it was over already. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#timer);
    this.settled();
    return true;
  }
}

type Heeded = { readonly calls: Set<Call>; readonly listener: () => void };

/** The calls by the signal that gives them up: many share one, and a listener for each would cost more than the rest. */
const heeded = new WeakMap<AbortSignal, Heeded>();

function heed(signal: AbortSignal, call: Call): void {
  const known = heeded.get(signal);
  if (known !== undefined) {
    known.calls.add(call);
    return;
  }
  const calls = new Set([call]);
  const listener = (): void => {
    heeded.delete(signal);
    for (const one of calls) one.abort("cancelled", Code.cancelled);
  };
  heeded.set(signal, { calls, listener });
  signal.addEventListener("abort", listener, { once: true });
}

function forget(signal: AbortSignal, call: Call): void {
  const known = heeded.get(signal);
  if (known === undefined || !known.calls.delete(call) || known.calls.size > 0) return;
  heeded.delete(signal);
  signal.removeEventListener("abort", known.listener);
}

function watchGoaway(session: ClientHttp2Session): void {
  if (lastStream.has(session)) return;
  lastStream.set(session, Infinity);
  session.on("goaway", (_code, lastStreamId) => lastStream.set(session, lastStreamId));
}

function brokenReason(code: number, failure: string): string {
  if (failure !== "") return `the stream broke: ${failure}`;
  return `the stream broke (RST_STREAM ${code}) before the answer was complete`;
}

/** The status that gRPC prescribes for a stream that was reset. */
function codeOfReset(code: number): Code {
  switch (code) {
    case constants.NGHTTP2_CANCEL:
      return Code.cancelled;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return Code.resourceExhausted;
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return Code.permissionDenied;
    default:
      return Code.internal;
  }
}
