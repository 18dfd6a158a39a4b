import { withoutRest } from "../memory/byte-parts.ts";
import { framePrefixBytes, gzipMessage } from "./frame.ts";
import { MessageReader } from "./message-reader.ts";
import type { UnaryMethod } from "./method.ts";
import { ServerCall, type Arrival, type ServerCallOptions } from "./server-call.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A call with one message each way, which almost always comes in one chunk. */
export class UnaryCall extends ServerCall {
  readonly #method: UnaryMethod;
  #first: Buffer | undefined;
  #reader: MessageReader | undefined;
  #message: Uint8Array | undefined;
  #isCompressed = false;
  /** Bytes that are reserved for the message. */
  #reserved = 0;

  constructor(arrival: Arrival, method: UnaryMethod, options: ServerCallOptions) {
    super(arrival, options);
    this.#method = method;
  }

  protected override run(): void {
    this.turn = "sender";
  }

  protected override abandon(): void {
    this.#reader?.clear();
    this.#first = this.#reader = this.#message = undefined;
  }

  protected override receive(chunk: Buffer): void {
    if (this.#first === undefined && this.#reader === undefined && isWhole(chunk)) {
      this.#first = withoutRest(chunk);
      this.#reserve(chunk.length);
      return;
    }
    this.#read(chunk);
    this.#reserve((this.#reader?.room ?? 0) + (this.#message?.length ?? 0));
  }

  #reserve(bytes: number): void {
    this.reserve(bytes - this.#reserved);
    this.#reserved = bytes;
  }

  #read(chunk: Buffer): void {
    if (this.#reader === undefined) {
      this.#reader = new MessageReader(this.options.maxMessageSize, (message, isCompressed) => {
        if (this.#message !== undefined)
          throw new GrpcFailure(Code.unimplemented, "a unary call takes one message, not several");
        this.#message = withoutRest(message);
        this.#isCompressed = isCompressed;
      });
      const first = this.#first;
      this.#first = undefined;
      if (first !== undefined) this.#reader.push(first);
    }
    this.#reader.push(chunk);
  }

  protected override receivedAll(): void {
    // However its stream ends, the method's work goes on until it has ended.
    this.stream.retain();
    void this.#answer();
  }

  async #answer(): Promise<void> {
    try {
      const message = await this.#method(this.#whole() ?? (await this.#unpacked()), this);
      if (this.over) return;
      this.checkAnswer(message.length);
      if (this.compresses) await this.#compress(message);
      else this.succeedWith(message, false);
    } catch (error) {
      this.fail(error);
    } finally {
      this.stream.release();
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
    const unpacked = await this.unpack(message);
    this.reserve(unpacked.length);
    return unpacked;
  }

  async #compress(message: Uint8Array): Promise<void> {
    const isLarge = message.length >= (this.options.compressMinBytes ?? Infinity);
    const packed = isLarge ? await gzipMessage(message) : message;
    if (!this.over) this.succeedWith(packed, isLarge);
  }
}

const noBytes = Buffer.alloc(0);

/** Whether a chunk is one message, no less and no more. */
function isWhole(chunk: Buffer): boolean {
  return (
    chunk.length >= framePrefixBytes && chunk.readUInt32BE(1) === chunk.length - framePrefixBytes
  );
}
