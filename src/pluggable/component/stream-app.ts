import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { messageOf } from "../../errors.ts";
import { MessageQueue } from "../../grpc/message-queue.ts";
import type { App, Delivery, Outcome } from "../../runtime/app.ts";
import type { ReadRequest, ReadResponseSchema } from "../protocol.ts";

type Message = MessageInitShape<typeof ReadResponseSchema>;

const noStream = "no runtime reads the component's events";

/** The runtime behind a socket as the app of an input: it reads the events by a stream, and acknowledges each. */
export class StreamApp implements App {
  readonly #streams: EventStream[] = [];
  readonly #listeners = new Set<() => void>();
  #since = new Date();

  get available(): boolean {
    return this.#streams.length > 0;
  }

  get unavailableReason(): string {
    return this.available ? "" : noStream;
  }

  get unavailableSince(): Date | undefined {
    return this.available ? undefined : this.#since;
  }

  onAvailability(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async wants(): Promise<boolean> {
    return true;
  }

  /** The events for a runtime, until it or {@link StreamApp.close} ends the stream. */
  attach(acknowledgements: AsyncIterable<ReadRequest>): AsyncIterable<Message> {
    const stream = new EventStream(acknowledgements, () => {
      this.#streams.splice(this.#streams.indexOf(stream), 1);
      this.#since = new Date();
      this.#tell();
    });
    this.#streams.push(stream);
    this.#tell();
    return stream.messages;
  }

  /** The stream that has been given an event least recently gets it. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const stream = this.#streams.shift();
    if (stream === undefined) return Promise.resolve({ kind: "unsent", reason: noStream });
    this.#streams.push(stream);
    return stream.deliver(delivery, signal);
  }

  async close(): Promise<void> {
    for (const stream of [...this.#streams]) stream.end();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** One stream of events, and those that are unacknowledged on it. */
class EventStream {
  readonly messages: MessageQueue<Message, Message>;
  readonly #unacknowledged = new Map<string, (outcome: Outcome) => void>();
  readonly #onEnd: () => void;
  #ended = false;

  constructor(acknowledgements: AsyncIterable<ReadRequest>, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.messages = new MessageQueue(
      (message: Message) => message,
      () => this.end(),
    );
    void this.#acknowledge(acknowledgements);
  }

  deliver({ data, metadata }: Delivery, signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve({ kind: "unsent", reason: "cancelled" });
      const messageId = randomUUID();
      const abort = (): void => settle({ kind: "refused", reason: "cancelled" });
      const settle = (outcome: Outcome): void => {
        if (!this.#unacknowledged.delete(messageId)) return;
        signal.removeEventListener("abort", abort);
        resolve(outcome);
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#unacknowledged.set(messageId, settle);
      this.messages.push({ data: data ?? new Uint8Array(), metadata: { ...metadata }, messageId });
    });
  }

  /** What is unacknowledged may have been handled, and comes again. */
  end(reason = "the runtime ended the stream before it acknowledged the event"): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    for (const settle of this.#unacknowledged.values()) settle({ kind: "refused", reason });
    this.messages.end();
  }

  async #acknowledge(acknowledgements: AsyncIterable<ReadRequest>): Promise<void> {
    try {
      for await (const { messageId, responseData, responseError } of acknowledgements)
        this.#unacknowledged.get(messageId)?.(
          responseError === undefined
            ? { kind: "handled", reply: { data: responseData, source: "grpc" } }
            : { kind: "refused", reason: responseError.message || "the runtime gave no reason" },
        );
      this.end();
    } catch (error) {
      this.end(`the stream of events broke before the event was acknowledged: ${messageOf(error)}`);
    }
  }
}
