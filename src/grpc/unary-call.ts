import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { encodeFrame, framePrefixBytes, gunzipMessage, gzipMessage } from "./frame.ts";
import { MessageReader } from "./message-reader.ts";
import type { UnaryMethod } from "./method.ts";
import { ServerCall, type Held, type ServerCallOptions } from "./server-call.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A call with one message each way, which almost always comes in one chunk. */
export class UnaryCall extends ServerCall {
  readonly #method: UnaryMethod;
  #first: Buffer | undefined;
  #reader: MessageReader | undefined;
  #message: Uint8Array | undefined;
  #isCompressed = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    method: UnaryMethod,
    options: ServerCallOptions,
    held: Held,
  ) {
    super(stream, headers, options, held);
    this.#method = method;
  }

  protected override run(): void {}

  protected override abandon(): void {
    this.#first = this.#reader = this.#message = undefined;
  }

  protected override receive(chunk: Buffer): void {
    if (this.over) return;
    this.hold(chunk.length);
    if (this.#first === undefined && this.#reader === undefined && isWhole(chunk)) {
      this.#first = chunk;
      return;
    }
    try {
      this.#read(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  #read(chunk: Buffer): void {
    if (this.#reader === undefined) {
      this.#reader = new MessageReader(this.options.maxMessageSize, (message, isCompressed) => {
        if (this.#message !== undefined)
          throw new GrpcFailure(Code.unimplemented, "a unary call takes one message, not several");
        this.#message = message;
        this.#isCompressed = isCompressed;
      });
      const first = this.#first;
      this.#first = undefined;
      if (first !== undefined) this.#reader.push(first);
    }
    this.#reader.push(chunk);
  }

  protected override receivedAll(): void {
    void this.#answer();
  }

  async #answer(): Promise<void> {
    try {
      const message = await this.#method(this.#whole() ?? (await this.#unpacked()), this);
      if (this.over) return;
      this.checkAnswer(message);
      if (this.compresses) await this.#compress(message);
      else this.succeed(encodeFrame(message));
    } catch (error) {
      this.fail(error);
    }
  }

  /** The message, when it came in one chunk and uncompressed. */
  #whole(): Uint8Array | undefined {
    const first = this.#first;
    if (first === undefined || first[0] !== 0) return undefined;
    const length = first.length - framePrefixBytes;
    return length <= this.options.maxMessageSize ? first.subarray(framePrefixBytes) : undefined;
  }

  async #unpacked(): Promise<Uint8Array> {
    if (this.#first !== undefined) this.#read(noBytes);
    const message = this.#message;
    if (message === undefined) {
      throw this.#reader?.partial === true
        ? new GrpcFailure(Code.internal, "the request ends within a message")
        : new GrpcFailure(Code.unimplemented, "a unary call takes one message, and none came");
    }
    if (!this.#isCompressed) return message;
    this.checkCompression();
    return gunzipMessage(message, this.options.maxMessageSize);
  }

  async #compress(message: Uint8Array): Promise<void> {
    const isLarge = message.length >= (this.options.compressMinBytes ?? Infinity);
    const packed = isLarge ? await gzipMessage(message) : message;
    if (!this.over) this.succeed(encodeFrame(packed, isLarge));
  }
}

const noBytes = Buffer.alloc(0);

/** Whether a chunk is one message, no less and no more. */
function isWhole(chunk: Buffer): boolean {
  return (
    chunk.length >= framePrefixBytes && chunk.readUInt32BE(1) === chunk.length - framePrefixBytes
  );
}
