import { constants } from "node:http2";
import { longestTimer } from "./timeout.ts";
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
} from "node:http2";

export type ExchangeOptions = {
  /** Gives up when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until it is given up. Default: never. */
  readonly timeout?: number | undefined;
};

/**
 * - `answered`: the whole answer is there.
 * - `unsent`: nothing of the request can have been processed.
 * - `broken`: the request was written, and no whole answer came.
 */
export type ExchangeResult =
  | {
      readonly kind: "answered";
      readonly headers: IncomingHttpHeaders;
      readonly trailers: IncomingHttpHeaders;
      readonly body: Buffer;
    }
  | { readonly kind: "unsent"; readonly reason: string }
  | { readonly kind: "broken"; readonly reason: string };

const noTrailers: IncomingHttpHeaders = {};
const noBytes = Buffer.alloc(0);
/** The stream that a GOAWAY named as the last one that was processed. */
const lastStream = new WeakMap<ClientHttp2Session, number>();

/** One request and its answer on one HTTP/2 stream, or several when the server refused the first. */
export class Exchange {
  /** How often the server has refused the stream. */
  refusals = 0;
  /** Called when it is given up before it was started. */
  onWithdrawn: (() => void) | undefined;
  readonly #headers: OutgoingHttpHeaders;
  readonly #body: readonly Uint8Array[];
  readonly #options: ExchangeOptions;
  readonly #limit: number;
  #resolve: ((result: ExchangeResult) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stream: ClientHttp2Stream | undefined;

  constructor(
    headers: OutgoingHttpHeaders,
    body: readonly Uint8Array[],
    options: ExchangeOptions,
    limit: number,
    resolve: (result: ExchangeResult) => void,
  ) {
    this.#headers = headers;
    this.#body = body;
    this.#options = options;
    this.#limit = limit;
    this.#resolve = resolve;
  }

  /** No result was given yet. */
  get pending(): boolean {
    return this.#resolve !== undefined;
  }

  /** Starts the clock and listens for cancellation. False when it is cancelled already. */
  begin(): boolean {
    const { signal, timeout } = this.#options;
    if (signal?.aborted === true) {
      this.unsent("given up before it was sent");
      return false;
    }
    signal?.addEventListener("abort", this.#cancel);
    if (timeout !== undefined) {
      this.#timer = setTimeout(
        () => this.#giveUp(`no answer within ${timeout} ms`),
        Math.min(timeout, longestTimer),
      );
    }
    return true;
  }

  /** Ends it as one of which nothing was processed. */
  unsent(reason: string): void {
    this.#finish({ kind: "unsent", reason });
  }

  /** Opens a stream. `ended` is called once when the stream is gone, with whether it was refused. */
  start(session: ClientHttp2Session, ended: (refused: boolean) => void): void {
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(this.#headers);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (session.destroyed || session.closed) this.unsent(reason);
      else this.#finish({ kind: "broken", reason: `the request cannot be sent: ${reason}` });
      ended(false);
      return;
    }
    watchGoaway(session);
    this.#stream = stream;
    this.#listen(session, stream, ended);
    const last = this.#body.length - 1;
    for (let index = 0; index < last; index += 1) stream.write(this.#body[index]);
    stream.end(this.#body[last]);
  }

  #listen(
    session: ClientHttp2Session,
    stream: ClientHttp2Stream,
    ended: (refused: boolean) => void,
  ): void {
    const { id } = stream;
    let headers: IncomingHttpHeaders | undefined;
    let trailers = noTrailers;
    let first: Buffer | undefined;
    let rest: Buffer[] | undefined;
    let size = 0;
    let failure = "";
    let complete = false;

    stream.on("response", (received, flags) => {
      headers = received;
      complete = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on("trailers", (received) => {
      trailers = received;
      complete = true;
    });
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > this.#limit) this.#giveUp(`the answer is larger than ${this.#limit} bytes`);
      else if (first === undefined) first = chunk;
      else (rest ??= [first]).push(chunk);
    });
    stream.on("end", () => {
      // Node ends the readable side of a stream that was reset, too: what came is then only a part.
      if (headers === undefined || !(complete || stream.rstCode === 0)) return;
      const body = rest === undefined ? (first ?? noBytes) : Buffer.concat(rest, size);
      this.#finish({ kind: "answered", headers, trailers, body });
    });
    stream.on("error", (error) => {
      failure = error.message;
    });
    stream.on("close", () => {
      this.#stream = undefined;
      if (this.#resolve === undefined) return ended(false);
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return ended(true);
      // A GOAWAY that says how far the server has come is announced after the streams were closed.
      setImmediate(() => {
        const unprocessed = id === undefined || id > (lastStream.get(session) ?? Infinity);
        if (unprocessed) this.unsent("the server ended the connection before it took the request");
        else this.#finish({ kind: "broken", reason: brokenReason(stream.rstCode, failure) });
        ended(false);
      });
    });
  }

  readonly #cancel = (): void => this.#giveUp("given up");

  #giveUp(reason: string): void {
    const stream = this.#stream;
    if (stream === undefined) {
      this.onWithdrawn?.();
      this.unsent(`${reason}, before it was sent`);
      return;
    }
    this.#finish({ kind: "broken", reason });
    stream.close(constants.NGHTTP2_CANCEL);
  }

  #finish(result: ExchangeResult): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#cancel);
    resolve(result);
  }
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
