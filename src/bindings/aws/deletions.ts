import type { Logger } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { BackOff } from "../../feed/back-off.ts";
import { withTimeLimit } from "../../http-client/within.ts";
import { formatDuration } from "../../metadata/duration.ts";
import type { HeldMessages } from "./held-messages.ts";
import { mostEntries } from "./sqs-queue.ts";
import type { EntryFailure, Queue } from "./sqs-queue.ts";

/** Milliseconds in which what was handled gathers. */
const gathering = 10;
const mostCalls = 4;
/** Milliseconds. */
const patience = 10_000;

/** Deletes what was handled, in batches, and again what could not be deleted. */
export class Deletions {
  readonly #queue: Queue;
  readonly #messages: HeldMessages;
  readonly #logger: Logger;
  readonly #backOff = new BackOff(200);
  readonly #under = new Set<string>();
  #calls = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(queue: Queue, messages: HeldMessages, logger: Logger) {
    this.#queue = queue;
    this.#messages = messages;
    this.#logger = logger;
  }

  /** Something was handled. */
  wake(): void {
    if (this.#isClosed) return;
    if (this.#messages.undeleted - this.#under.size >= mostEntries) this.#begin();
    else this.#later(gathering);
  }

  /** Resolves once the service has deleted all; rejects where it did not answer. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await Promise.allSettled(this.#calls);
    for (let round = 0; this.#messages.undeleted > 0; round++) {
      const failure = await this.#deleteSome();
      if (failure !== undefined && round > 0) throw failure;
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #later(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#begin();
    }, milliseconds);
  }

  #begin(): void {
    if (this.#isClosed || this.#calls.size >= mostCalls) return;
    const call = this.#deleteSome().then((failure) => {
      this.#calls.delete(call);
      if (this.#messages.undeleted === 0 || this.#isClosed) return;
      if (failure === undefined) this.wake();
      else {
        const pause = this.#backOff.next(failure.retryAfter);
        const facts = { reason: failure.message, pause: formatDuration(pause) };
        this.#logger.warn(facts, "handled messages could not be deleted yet");
        this.#later(pause);
      }
    });
    this.#calls.add(call);
  }

  /** One batch. Resolves to why the service, or one of the messages, was not done with it. */
  async #deleteSome(): Promise<BindingError | undefined> {
    const batch = this.#messages.toDelete(mostEntries, this.#under);
    if (batch.length === 0) return undefined;
    for (const { id } of batch) this.#under.add(id);
    try {
      const receipts = batch.map(({ receipt }) => receipt);
      const results = await withTimeLimit(patience, undefined, (signal) =>
        this.#queue.delete(receipts, signal),
      );
      let kept: BindingError | undefined;
      for (const [at, { id, receipt }] of batch.entries()) {
        const failure = results[at];
        if (isDone(failure)) this.#messages.deleted(id, receipt);
        else kept = failure;
      }
      if (kept === undefined) this.#backOff.reset();
      return kept;
    } catch (error) {
      return error instanceof BindingError
        ? error
        : new BindingError("internal", messageOf(error), { effect: "ambiguous" });
    } finally {
      for (const { id } of batch) this.#under.delete(id);
    }
  }
}

/** A receipt that is not known any more deletes nothing: if the message comes again it has another one. */
function isDone(failure: EntryFailure): boolean {
  return failure === undefined || failure.reason === "invalid_argument";
}
