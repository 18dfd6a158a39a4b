import { gzipMessage } from "./frame.ts";
import { MessageReader } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";
import type { StreamMethod } from "./method.ts";
import { RequestMessages } from "./request-messages.ts";
import { ServerCall, type Arrival, type ServerCallOptions } from "./server-call.ts";
import { Code, GrpcFailure } from "./status.ts";

/** A call with any number of messages each way. */
export class StreamCall extends ServerCall {
  readonly #method: StreamMethod;
  readonly #requests: RequestMessages;
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  /** Bytes that are held for the message that is not whole. */
  #partial = 0;
  #answers: AsyncIterator<Uint8Array> | undefined;
  #isRetained = false;

  constructor(arrival: Arrival, method: StreamMethod, options: ServerCallOptions) {
    super(arrival, options);
    this.#method = method;
    this.#writer = new MessageWriter(this.stream);
    this.#requests = new RequestMessages({
      resume: () => this.stream.resume(),
      hold: (bytes) => this.reserve(bytes),
      unpack: (message) => this.#unpack(message),
    });
    this.#reader = new MessageReader(options.maxMessageSize, (message, isCompressed) =>
      this.#requests.add(message, isCompressed),
    );
  }

  drained(): void {
    this.#writer.wake();
  }

  override closed(): void {
    super.closed();
    this.#writer.wake();
  }

  protected override run(): void {
    // However its stream ends, the method's work goes on until it has ended.
    this.stream.retain();
    this.#isRetained = true;
    void this.#answer();
  }

  protected override receive(chunk: Buffer): void {
    this.#reader.push(chunk);
    const partial = this.#reader.room;
    this.reserve(partial - this.#partial);
    this.#partial = partial;
    const { hasRoom } = this.#requests;
    if (!hasRoom) this.stream.pause();
    // A stream may be silent for as long as it likes, but not within a message.
    this.turn = this.#reader.partial && hasRoom ? "sender" : "server";
  }

  protected override receivedAll(): void {
    if (this.#reader.partial)
      this.fail(new GrpcFailure(Code.internal, "the request ends within a message"));
    else this.#requests.end();
  }

  protected override abandon(failure: GrpcFailure): void {
    this.#reader.clear();
    this.#requests.fail(failure);
    void this.#leave();
  }

  /** Lets the method clean up. What it throws now is told to nobody. */
  async #leave(): Promise<void> {
    const answers = this.#answers;
    if (answers?.return === undefined) return;
    try {
      await answers.return();
    } catch {}
    this.#release();
  }

  /** The method has ended. */
  #release(): void {
    if (!this.#isRetained) return;
    this.#isRetained = false;
    this.stream.release();
  }

  async #answer(): Promise<void> {
    const writer = this.#writer;
    try {
      const answers = this.#method(this.#requests, this)[Symbol.asyncIterator]();
      this.#answers = answers;
      const compresses = this.compresses;
      for (;;) {
        const { done, value } = await answers.next();
        if (this.over) return;
        if (done === true) break;
        this.checkAnswer(value.length);
        this.respond();
        const hasRoom = compresses
          ? await this.#writePacked(writer, value)
          : writer.write(value, false);
        if (!hasRoom) await writer.drained();
        if (this.over) return;
      }
      writer.flush();
      void this.#requests.return();
      this.succeed();
    } catch (error) {
      if (!this.over) writer.flush();
      this.fail(error);
    } finally {
      this.#release();
    }
  }

  async #writePacked(writer: MessageWriter, message: Uint8Array): Promise<boolean> {
    const isLarge = message.length >= (this.options.compressMinBytes ?? Infinity);
    const packed = isLarge ? await gzipMessage(message) : message;
    return this.over || writer.write(packed, isLarge);
  }

  async #unpack(message: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.unpack(message);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }
}
