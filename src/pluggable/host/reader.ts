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
/** What an event is told that comes after the reading was stopped, in daprd's words. */
const closed = "input binding is closed";
/** A component may send what was refused again at once: between two refusals there is a pause, in milliseconds. */
const refusalPause = 50;
/** How long the stream stays open after the last event that was handled while it closed, as daprd's does, in milliseconds. */
const lastEvents = 400;
/** How long the component may take to end the stream after the last acknowledgement, in milliseconds. */
const ending = 2_000;

/** Reads a component's events, and acknowledges each. */
export class ComponentReader implements Reader {
  readonly #reading: Reading<Fields>;
  readonly #acknowledgements = new Acknowledgements();
  readonly #stream: GrpcStream;
  /** Events that were handed over, and not settled yet. */
  #unsettled = 0;
  #stopped = false;
  #hadUnsettled = false;
  readonly #closing = new AbortController();
  readonly #lost = new AbortController();
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

  /** What comes from now on is the component's again at once. */
  stop(): void {
    this.#stopped = true;
    this.#hadUnsettled = this.#unsettled > 0;
  }

  flush(): Promise<void> {
    return this.#acknowledgements.written();
  }

  /** Ends the stream from this side, so that what was acknowledged is read before the component notices the end. */
  async close(): Promise<void> {
    this.#stopped = true;
    if (this.#hadUnsettled) await delay(lastEvents, this.#lost.signal);
    this.#closing.abort();
    this.#acknowledgements.end();
    const late = new AbortController();
    await Promise.race([this.#ended, delay(ending, late.signal)]);
    late.abort();
    this.#stream.cancel("the input was closed");
    await this.#ended;
  }

  async #run(): Promise<void> {
    for await (const bytes of this.#stream.messages) {
      if (!this.#stopped) await this.#reading.deliver([this.#eventOf(bytes)]);
      else await this.#refuse(bytes);
    }
  }

  /** At the end the stream is read on, since its own end comes behind what it carries. */
  async #refuse(bytes: Uint8Array): Promise<void> {
    await delay(refusalPause, this.#closing.signal);
    const { messageId } = fromBinary(ReadResponseSchema, bytes);
    this.#acknowledgements.add(messageId, { outcome: "returned", reason: closed });
  }

  #eventOf(bytes: Uint8Array): InboundEvent {
    const { data, metadata, messageId } = fromBinary(ReadResponseSchema, bytes);
    this.#unsettled++;
    return {
      data,
      metadata,
      headers: [],
      id: messageId || undefined,
      idIsMadeUp: true,
      settle: (settlement) => {
        this.#unsettled--;
        this.#acknowledgements.add(messageId, settlement);
      },
    };
  }

  #over(reason: BindingError): void {
    this.#lost.abort();
    if (!this.#stopped) this.#reading.lost(reason);
  }
}
