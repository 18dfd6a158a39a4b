import type { Http2ClientConnection } from "../http2/client-connection.ts";
import type { HeaderRecord } from "../http2/header-block.ts";
import type { Http2Stream, StreamReset } from "../http2/stream.ts";
import { Call, type CallOptions, type Carrier, type Unanswered } from "./client-call.ts";
import {
  CallFailure,
  checkHeaders,
  checkStatus,
  messageFailure,
  recordOf,
} from "./client-status.ts";
import { framePrefixBytes, gunzipMessage } from "./frame.ts";
import { MessageQueue } from "./message-queue.ts";
import { MessageReader } from "./message-reader.ts";
import { RequestPump } from "./request-pump.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A call that carries a stream of messages either way. */
export type GrpcStream = {
  /** The answer's headers, once they came; rejects as {@link messages} does. */
  readonly headers: Promise<HeaderRecord>;
  /** The answer's last headers; empty before its end. */
  readonly trailers: HeaderRecord;
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

/** The call as HTTP/2 sees it; {@link handle} is what its caller has of it. */
export class ClientStream extends Call {
  readonly handle: GrpcStream;
  readonly messages: MessageQueue<Received, Uint8Array>;
  readonly #pump: RequestPump;
  readonly #reader: MessageReader;
  readonly #limit: number;
  readonly #begun = Promise.withResolvers<HeaderRecord>();
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
    this.handle = new StreamHandle(this);
    // Whoever reads only the messages is told there.
    this.#begun.promise.catch(() => {});
  }

  get begunWith(): Promise<HeaderRecord> {
    return this.#begun.promise;
  }

  get endedWith(): HeaderRecord {
    return recordOf(this.trailers);
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

  protected send(connection: Http2ClientConnection, fields: readonly string[]): Http2Stream {
    const stream = connection.open(fields, this);
    // The source may give the call up at once.
    this.stream = stream;
    this.#pump.start(stream);
    return stream;
  }

  protected begun(isLast: boolean): void {
    const { head } = this;
    if (isLast || head === undefined) return;
    const wrong = checkHeaders(head);
    if (wrong === undefined) this.#begun.resolve(head.record);
    else this.#abort(wrong);
  }

  data(chunk: Buffer): void {
    this.#hasBody = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#abort(messageFailure(error, this.head));
      return;
    }
    if (this.#queuedBytes < readAheadBytes || this.#isHeld) return;
    this.#isHeld = true;
    this.stream?.pause();
  }

  drained(): void {
    this.#pump.wake();
  }

  override closed(reset: StreamReset | undefined): void {
    this.#pump.wake();
    super.closed(reset);
  }

  protected answered(): void {
    this.#pump.stop();
    const { head } = this;
    if (head === undefined) return;
    let failure = checkStatus(head, this.trailers, this.#hasBody);
    if (failure === undefined && this.#reader.partial) {
      const text = "the last message is not whole";
      failure = new CallFailure("failed", Code.internal, text, { headers: head });
    }
    if (failure === undefined) {
      this.#begun.resolve(head.record);
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
      if (this.head?.get("grpc-encoding") !== "gzip") {
        const text = "a message is compressed, yet no grpc-encoding says how";
        throw new GrpcFailure(Code.internal, text);
      }
      return await gunzipMessage(message, this.#limit);
    } catch (error) {
      const failure = messageFailure(error, this.head);
      this.#abort(failure);
      throw failure;
    }
  }
}

class StreamHandle implements GrpcStream {
  readonly #call: ClientStream;

  constructor(call: ClientStream) {
    this.#call = call;
  }

  get headers(): Promise<HeaderRecord> {
    return this.#call.begunWith;
  }

  get trailers(): HeaderRecord {
    return this.#call.endedWith;
  }

  get messages(): AsyncIterableIterator<Uint8Array, undefined> {
    return this.#call.messages;
  }

  cancel(reason?: string): void {
    this.#call.cancel(reason);
  }
}
