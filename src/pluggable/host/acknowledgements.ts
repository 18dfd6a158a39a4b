import { create, toBinary } from "@bufbuild/protobuf";
import type { Settlement } from "../../binding.ts";
import { MessageQueue } from "../../grpc/message-queue.ts";
import { ReadRequestSchema } from "../protocol.ts";

/** What the stream of events carries back: an acknowledgement of each message. */
export class Acknowledgements {
  readonly requests: MessageQueue<Uint8Array, Uint8Array>;
  #unwritten = 0;
  #written: PromiseWithResolvers<void> | undefined;
  #ended = false;

  constructor() {
    this.requests = new MessageQueue(
      (message: Uint8Array) => {
        this.#unwritten--;
        // The writer takes the next one once it has written this one.
        if (this.#unwritten === 0) setImmediate(() => this.#tell());
        return message;
      },
      () => this.#lost(),
    );
  }

  /** Says how the message ended. After the end of the stream nothing is said. */
  add(messageId: string, settlement: Settlement): void {
    if (this.#ended) return;
    const message =
      settlement.outcome === "handled"
        ? { messageId, responseData: settlement.reply?.data ?? new Uint8Array() }
        : { messageId, responseError: { message: settlement.reason || "the event was returned" } };
    this.#unwritten++;
    this.requests.push(toBinary(ReadRequestSchema, create(ReadRequestSchema, message)));
  }

  /** Resolves once all were written, or never can be. */
  async written(): Promise<void> {
    if (this.#unwritten === 0) return;
    this.#written ??= Promise.withResolvers<void>();
    await this.#written.promise;
  }

  /** None follows. */
  end(): void {
    this.#ended = true;
    this.requests.end();
  }

  #lost(): void {
    this.#ended = true;
    this.#unwritten = 0;
    this.#tell();
  }

  #tell(): void {
    if (this.#unwritten > 0) return;
    this.#written?.resolve();
    this.#written = undefined;
  }
}
