import { fromBinary } from "@bufbuild/protobuf";
import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import type { GrpcClient, GrpcStream } from "../../grpc/client.ts";
import type { InboundEvent, Reader, Reading } from "../../reading.ts";
import type { Fields } from "../../metadata/fields.ts";
import { paths, ReadResponseSchema } from "../protocol.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { callFailure } from "./failures.ts";

/** The largest event that is taken, in bytes. daprd takes 4 MiB. */
const largestEvent = 16 * 1024 * 1024;
/** How long the component may take to end the stream after the last acknowledgement, in milliseconds. */
const ending = 2_000;

/** Reads a component's events, and acknowledges each. */
export class ComponentReader implements Reader {
  readonly #reading: Reading<Fields>;
  readonly #acknowledgements = new Acknowledgements();
  readonly #stream: GrpcStream;
  #stopped = false;
  readonly #closing = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;

  constructor(
    client: GrpcClient,
    headers: Readonly<Record<string, string>>,
    reading: Reading<Fields>,
  ) {
    this.#reading = reading;
    this.#stream = client.stream(paths.read, this.#acknowledgements.requests, {
      headers,
      maxMessageBytes: largestEvent,
    });
    this.#ended = this.#run().then(
      () => this.#over(new BindingError("unavailable", "the component ended the stream of events")),
      (error: unknown) => this.#over(callFailure(error, "reading events failed: ")),
    );
  }

  /** What was not taken yet stays the component's: nothing of it is acknowledged. */
  stop(): void {
    this.#stopped = true;
  }

  flush(): Promise<void> {
    return this.#acknowledgements.written();
  }

  /** Ends the stream from this side, so that what was acknowledged is read before the component notices the end. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#closing.resolve();
    this.#acknowledgements.end();
    const late = new AbortController();
    await Promise.race([this.#ended, delay(ending, late.signal)]);
    late.abort();
    this.#stream.cancel("the input was closed");
    await this.#ended;
  }

  async #run(): Promise<void> {
    for await (const bytes of this.#stream.messages) {
      // Once it closes the stream is read on, since its end comes behind what it carries.
      if (this.#stopped) await this.#closing.promise;
      else await this.#reading.deliver([this.#eventOf(bytes)]);
    }
  }

  #eventOf(bytes: Uint8Array): InboundEvent {
    const { data, metadata, messageId } = fromBinary(ReadResponseSchema, bytes);
    return {
      data,
      metadata,
      headers: [],
      id: messageId || undefined,
      idIsMadeUp: true,
      settle: (settlement) => this.#acknowledgements.add(messageId, settlement),
    };
  }

  #over(reason: BindingError): void {
    if (!this.#stopped) this.#reading.lost(reason);
  }
}
