import { abortFailure } from "../../abortable.ts";
import { isDeepStrictEqual } from "node:util";
import type { ConfirmChannel, Message, Options } from "amqplib";
import { BindingError, messageOf } from "../../errors.ts";
import { failure } from "./failures.ts";
import type { RabbitmqMetadata } from "./fields.ts";
import type { Connection } from "./link.ts";
import { useQueue } from "./queue.ts";
import { SharedWrites } from "./shared-writes.ts";

type Pending = { readonly content: Buffer; readonly options: Options.Publish; returned: boolean };

/** Sends to the component's queue and waits until the server has each message. */
export class Publisher {
  readonly #link: Connection;
  readonly #channel: ConfirmChannel;
  readonly #metadata: RabbitmqMetadata;
  readonly #pending = new Set<Pending>();
  readonly #writes: SharedWrites;
  #isDeclaring = false;
  #channelError: BindingError | undefined;

  constructor(link: Connection, channel: ConfirmChannel, metadata: RabbitmqMetadata) {
    this.#link = link;
    this.#channel = channel;
    this.#metadata = metadata;
    this.#writes = new SharedWrites(link.model);
    channel.on("return", (message: Message) => this.#noteReturned(message));
    channel.on("error", (error: unknown) => {
      this.#channelError = failure("the channel was closed", error, "ambiguous");
    });
  }

  /** Resolves once the server confirmed the message. */
  publish(content: Buffer, options: Options.Publish, signal: AbortSignal): Promise<void> {
    const refusal = this.#refusal(signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const pending: Pending = { content, options, returned: false };
      const giveUp = (): void =>
        reject(abortFailure("failed to publish message", signal.reason, "ambiguous"));
      const confirmed = (error: unknown): void => {
        this.#pending.delete(pending);
        signal.removeEventListener("abort", giveUp);
        const problem = this.#problem(pending, error);
        if (problem === undefined) resolve();
        else reject(problem);
      };
      this.#pending.add(pending);
      try {
        this.#channel.publish("", this.#metadata.queueName, content, options, confirmed);
        this.#writes.begin();
      } catch (error) {
        this.#pending.delete(pending);
        reject(notWritten(error));
        return;
      }
      signal.addEventListener("abort", giveUp);
    });
  }

  /** What stands against sending at all. */
  #refusal(signal: AbortSignal): BindingError | undefined {
    if (signal.aborted) return abortFailure("failed to publish message", signal.reason, "unsent");
    if (this.#link.ended !== undefined) return notOpen(this.#link.ended);
    if (this.#link.blocked === undefined) return undefined;
    return new BindingError(
      "unavailable",
      `failed to publish message: the server takes none at the moment (${this.#link.blocked})`,
      { effect: "unsent", systemCode: "blocked" },
    );
  }

  #problem(pending: Pending, error: unknown): BindingError | undefined {
    const queue = this.#metadata.queueName;
    if (pending.returned) {
      return new BindingError(
        "not_found",
        `failed to publish message: there is no queue ${queue}`,
        {
          effect: "unsent",
          systemCode: "NO_ROUTE",
        },
      );
    }
    if (error === null || error === undefined) return undefined;
    if (messageOf(error) === "message nacked") {
      return new BindingError(
        "unavailable",
        `failed to publish message: the server refused it; queue ${queue} may be full or failing`,
        { effect: "ambiguous", systemCode: "nack" },
      );
    }
    const cause = this.#channelError ?? this.#link.ended ?? error;
    if (cause instanceof BindingError && cause.reason === "permission_denied") {
      return new BindingError(
        "permission_denied",
        `failed to publish message: ${messageOf(cause)}; grant this user write on exchange amq.default`,
        { systemCode: cause.systemCode, cause },
      );
    }
    return new BindingError("unavailable", `failed to publish message: ${messageOf(cause)}`, {
      effect: "ambiguous",
      cause,
    });
  }

  /**
   * The server names a message that found no queue by its content only, and before it confirms it.
   * Of messages that are alike it does not matter which one is told.
   */
  #noteReturned({ content, properties }: Message): void {
    const alike = [...this.#pending].filter((one) => !one.returned && one.content.equals(content));
    const same = alike.find(
      ({ options }) =>
        options.messageId === properties.messageId &&
        isDeepStrictEqual({ ...options.headers }, { ...properties.headers }),
    );
    const pending = same ?? alike[0];
    if (pending !== undefined) pending.returned = true;
    this.#declareAgain();
  }

  /** Somebody deleted the queue. An exclusive one is its reader's to declare. */
  #declareAgain(): void {
    if (this.#metadata.exclusive || this.#isDeclaring) return;
    this.#isDeclaring = true;
    void useQueue(this.#link.model, this.#metadata)
      // The message's own failure says that there is no queue.
      .catch(() => {})
      .finally(() => (this.#isDeclaring = false));
  }
}

function notWritten(error: unknown): BindingError {
  if (error instanceof Error && error.name === "IllegalOperationError") return notOpen(error);
  return new BindingError("invalid_argument", `failed to publish message: ${messageOf(error)}`, {
    cause: error,
  });
}

function notOpen(cause: unknown): BindingError {
  return new BindingError("unavailable", "channel/connection is not open", {
    effect: "unsent",
    cause,
  });
}
