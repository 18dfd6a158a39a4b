import { BindingError } from "../../errors.ts";
import type { Message, Waiting } from "./batches.ts";

type Settle = { readonly resolve: () => void; readonly reject: (error: BindingError) => void };

/** A message in a partition's queue, which it leaves when its caller cancels it. A class, for each message is one. */
export class PendingMessage implements Waiting {
  readonly key: Buffer | undefined;
  readonly value: Buffer | undefined;
  readonly headers: Map<Buffer, Buffer>;
  readonly partition: number | undefined;
  readonly bytes: number;
  alone = false;
  readonly #queue: Waiting[];
  readonly #signal: AbortSignal;
  readonly #settle: Settle;

  constructor(
    message: Message,
    bytes: number,
    queue: Waiting[],
    signal: AbortSignal,
    settle: Settle,
  ) {
    this.key = message.key;
    this.value = message.value;
    this.headers = message.headers;
    this.partition = message.partition;
    this.bytes = bytes;
    this.#queue = queue;
    this.#signal = signal;
    this.#settle = settle;
    signal.addEventListener("abort", this, { once: true });
  }

  resolve(): void {
    this.#signal.removeEventListener("abort", this);
    this.#settle.resolve();
  }

  reject(error: BindingError): void {
    this.#signal.removeEventListener("abort", this);
    this.#settle.reject(error);
  }

  /** The caller cancelled it. */
  handleEvent(): void {
    const index = this.#queue.indexOf(this);
    if (index >= 0) this.#queue.splice(index, 1);
    this.#settle.reject(cancelled("cancelled by the caller", index >= 0 ? "unsent" : "ambiguous"));
  }
}

/** The error of a message that nobody waits for any more. */
export function cancelled(why: string, effect: "unsent" | "ambiguous" = "unsent"): BindingError {
  return new BindingError("cancelled", `kafka error: ${why} before the message was stored`, {
    effect,
  });
}
