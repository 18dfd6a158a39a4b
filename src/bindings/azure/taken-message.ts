import { BindingError } from "../../errors.ts";
import { isDenied } from "./storage-failures.ts";
import type { QueueClient, QueueMessage } from "./queue-client.ts";

const extendTimeout = 10_000;
/** Seconds. */
export const longestVisibility = 7 * 24 * 60 * 60;

/** A message that is out. Each renewal has another pop receipt, so that requests about it go one after another. */
export class TakenMessage {
  readonly #queue: QueueClient;
  readonly #message: QueueMessage;
  /** Seconds. */
  readonly #visibility: number;
  /** When it ends, in milliseconds as `performance.now()` counts them, by the service's own clock. */
  readonly #expiresAt: number;
  #popReceipt: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(queue: QueueClient, message: QueueMessage, visibility: number) {
    this.#queue = queue;
    this.#message = message;
    this.#visibility = visibility;
    this.#popReceipt = message.popReceipt;
    const takenAt = Date.parse(message.nextVisibleTime) - visibility * 1000;
    this.#expiresAt = performance.now() + Date.parse(message.expirationTime) - takenAt;
  }

  get id(): string {
    return this.#message.id;
  }

  /** Rejects with a `BindingError` that is `rejected` when it is somebody else's by now. */
  extend(): Promise<void> {
    return this.#inTurn(async () => {
      const visibility = this.#within(this.#visibility);
      // It is about to end, for everybody.
      if (visibility === 0) return;
      await this.#update(visibility, AbortSignal.timeout(extendTimeout)).catch((error: unknown) => {
        if (!isDenied(error)) throw error;
        throw new BindingError(error.reason, error.message, { effect: "unsent", cause: error });
      });
    });
  }

  /** Makes it visible to all after so many milliseconds. That it is somebody else's already is as good. */
  giveBack(after: number, signal: AbortSignal): Promise<void> {
    return this.#inTurn(() =>
      this.#update(this.#within(Math.ceil(after / 1000)), signal).catch((error: unknown) => {
        if (!(error instanceof BindingError && error.effect === "rejected")) throw error;
      }),
    );
  }

  /** False: it was given to somebody else, or is gone. */
  delete(signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(() => this.#queue.delete(this.id, this.#popReceipt, signal));
  }

  async #update(visibility: number, signal: AbortSignal): Promise<void> {
    const next = await this.#queue.update(this.id, this.#popReceipt, visibility, signal);
    if (next === undefined)
      throw new BindingError("aborted", `message ${this.id} was given out again, or is gone`, {
        systemCode: "MessageNotFound",
      });
    this.#popReceipt = next;
  }

  /** No message is invisible beyond its end, nor for more than seven days. */
  #within(visibility: number): number {
    const left = Math.floor((this.#expiresAt - performance.now()) / 1000) - 1;
    const most = Number.isNaN(left) ? visibility : Math.max(0, left);
    return Math.min(visibility, most, longestVisibility);
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const running = this.#last.then(run, run);
    this.#last = running.catch(() => undefined);
    return running;
  }
}
