import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Call, type CallOptions, type Carrier, type Unanswered } from "./client-call.ts";
import { CallFailure, checkHeaders, checkStatus, messageFailure } from "./client-status.ts";
import { framePrefixBytes, gunzipMessage } from "./frame.ts";
import { MessageQueue } from "./message-queue.ts";
import { MessageReader } from "./message-reader.ts";
import { RequestPump } from "./request-pump.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A call that carries a stream of messages either way. */
export type GrpcStream = {
  /** The answer's headers, once they came; rejects as {@link messages} does. */
  readonly headers: Promise<IncomingHttpHeaders>;
  /** The answer's last headers; empty before its end. */
  readonly trailers: IncomingHttpHeaders;
  /**
   * The messages, once. Ends when the server ended the call with OK, and throws a {@link CallFailure}
   * otherwise. Leaving the loop early cancels the call.
   */
  readonly messages: AsyncIterableIterator<Uint8Array, undefined>;
  /** Gives the call up, which then fails as CANCELLED. Does nothing after its end. */
  cancel(reason?: string): void;
};

/** So many bytes may wait for the reader before the stream is read no further; below half of it, it is again. */
const readAheadBytes = 64 * 1024;

type Received = { readonly message: Uint8Array; readonly compressed: boolean };

export class ClientStream extends Call implements GrpcStream {
  readonly messages: MessageQueue<Received, Uint8Array>;
  readonly #pump: RequestPump;
  readonly #reader: MessageReader;
  readonly #limit: number;
  readonly #begun = Promise.withResolvers<IncomingHttpHeaders>();
  #isHeld = false;
  #queuedBytes = 0;
  #hasBody = false;
  #givenUp = false;
  #failure: CallFailure | undefined;

  /** The limit is of one message, in bytes. */
  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    requests: AsyncIterable<Uint8Array>,
    { compress, limit }: { readonly compress: boolean; readonly limit: number },
  ) {
    super(carrier, fields, options);
    this.#limit = limit;
    this.#reader = new MessageReader(limit, (message, compressed) => {
      this.#queuedBytes += message.length + framePrefixBytes;
      this.messages.push({ message, compressed });
    });
    this.messages = new MessageQueue(
      (received) => this.#take(received),
      (early) => {
        if (early) this.cancel("the reader left");
        this.forgetSignal();
      },
    );
    this.#pump = new RequestPump(requests, {
      compress,
      failed: (error) => this.#sourceFailed(error),
    });
    // Whoever reads only the messages is told there.
    this.#begun.promise.catch(() => {});
  }

  get headers(): Promise<IncomingHttpHeaders> {
    return this.#begun.promise;
  }

  get trailers(): IncomingHttpHeaders {
    return this.lastHeaders;
  }

  get repeatable(): boolean {
    return this.#pump.untouched;
  }

  cancel(reason = "cancelled"): void {
    this.abort(reason, Code.cancelled);
  }

  override abort(reason: string, code: number): void {
    if (this.pending) {
      this.#givenUp = true;
      super.abort(reason, code);
    } else if (code === Code.cancelled) {
      // All has come, yet not all was taken: who cancels wants no more of it.
      this.messages.abort(new CallFailure("broken", code, reason));
    }
  }

  protected send(stream: ClientHttp2Stream): void {
    this.#pump.start(stream);
  }

  protected begun(ended: boolean): void {
    if (ended) return;
    const wrong = checkHeaders(this.firstHeaders);
    if (wrong === undefined) this.#begun.resolve(this.firstHeaders);
    else this.#abort(wrong);
  }

  protected receive(chunk: Buffer): void {
    this.#hasBody = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#abort(messageFailure(error, this.firstHeaders));
      return;
    }
    if (this.#queuedBytes < readAheadBytes || this.#isHeld) return;
    this.#isHeld = true;
    this.stream?.pause();
  }

  protected answered(): void {
    this.#pump.stop();
    let failure = checkStatus(this.firstHeaders, this.lastHeaders, this.#hasBody);
    if (failure === undefined && this.#reader.partial) {
      const headers = this.firstHeaders;
      failure = new CallFailure("failed", Code.internal, "the last message is not whole", {
        headers,
      });
    }
    if (failure === undefined) {
      this.#begun.resolve(this.firstHeaders);
      this.messages.end();
    } else {
      this.#begun.reject(failure);
      this.messages.fail(failure);
    }
  }

  protected unanswered(end: Unanswered): void {
    this.#pump.stop();
    const failure = this.#failure ?? CallFailure.from(end);
    this.#begun.reject(failure);
    // Of a stream that broke, what came before is not lost.
    if (this.#givenUp && this.#failure === undefined) this.messages.abort(failure);
    else this.messages.fail(failure);
  }

  /** Not before the reader is at the end. */
  protected override settled(): void {}

  /** Ends the call with a failure of this side's own making. */
  #abort(failure: CallFailure): void {
    this.#failure ??= failure;
    this.abort(failure.message, failure.code);
  }

  #sourceFailed(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause);
    const failure = new CallFailure("broken", Code.cancelled, `the requests ended: ${text}`, {
      cause,
    });
    this.#abort(failure);
  }

  #take({ compressed, message }: Received): Uint8Array | Promise<Uint8Array> {
    this.#queuedBytes -= message.length + framePrefixBytes;
    if (this.#isHeld && this.#queuedBytes <= readAheadBytes / 2) {
      this.#isHeld = false;
      this.stream?.resume();
    }
    return compressed ? this.#unpack(message) : message;
  }

  async #unpack(message: Uint8Array): Promise<Uint8Array> {
    try {
      if (this.firstHeaders["grpc-encoding"] !== "gzip") {
        const text = "a message is compressed, yet no grpc-encoding says how";
        throw new GrpcFailure(Code.internal, text);
      }
      return await gunzipMessage(message, this.#limit);
    } catch (error) {
      const failure = messageFailure(error, this.firstHeaders);
      this.#abort(failure);
      throw failure;
    }
  }
}
