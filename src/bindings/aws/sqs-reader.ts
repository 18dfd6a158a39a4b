import { randomUUID } from "node:crypto";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { delay } from "../../delay.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { BackOff } from "../../feed/back-off.ts";
import { withTimeLimit } from "../../http-client/within.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { Batcher } from "./batcher.ts";
import { Deletions } from "./deletions.ts";
import { HeldMessages } from "./held-messages.ts";
import type { Held } from "./held-messages.ts";
import type { EventsOf } from "./queue-events.ts";
import { mostEntries } from "./sqs-queue.ts";
import type { Queue, ReceivedMessage } from "./sqs-queue.ts";

/** Milliseconds that a message can be hidden for after it was received, all together. */
const longestHidden = 12 * 60 * 60 * 1000;
/** Requests beside the one that waits, while there is more than one can bring. */
const mostHelpers = 3;
/** Milliseconds in which room gathers, so that not each free place is a request. */
const gathering = 20;
/** Milliseconds that an answer may take longer than the wait it was asked for. */
const patience = 10_000;
/** Milliseconds that messages on their way at a stop are waited for, so that they need not wait for their time. */
const parting = 200;
/** Beyond these the component is opened anew. */
const transient = new Set(["unavailable", "resource_exhausted", "deadline_exceeded", "internal"]);

/** When a message whose events could not be made comes again. Milliseconds. */
const tryAgainAfter = 5_000;

type QueueReading = Omit<Reading<Readonly<Record<never, never>>>, "metadata"> & {
  readonly metadata: { readonly visibilityTimeout: number; readonly waitTime: number };
};

/** Begins to read the queue. */
export function startReader(queue: Queue, reading: QueueReading, eventsOf: EventsOf): Reader {
  const { component } = reading;
  const identity = JSON.stringify([component.appId, component.name, queue.identity]);
  const messages = HeldMessages.of(identity);
  messages.begin();
  const reader = new QueueReader({ queue, reading, messages, eventsOf });
  reader.start();
  return reader;
}

type Taken =
  | { readonly kind: "nothing" }
  | { readonly kind: "failed"; readonly error: BindingError }
  | { readonly kind: "events"; readonly held: Held; readonly events: readonly InboundEvent[] };

const nothing = { kind: "nothing" } as const;

class QueueReader implements Reader {
  readonly #queue: Queue;
  readonly #reading: QueueReading;
  readonly #messages: HeldMessages;
  readonly #eventsOf: EventsOf;
  readonly #deletions: Deletions;
  readonly #visibility: number;
  readonly #wait: number;
  readonly #stopping = new AbortController();
  readonly #polls = new AbortController();
  readonly #backOff = new BackOff();
  readonly #extensions: Batcher<Held>;
  readonly #returns: Batcher<{ held: Held; seconds: number }>;
  /** Returned at the end: the service hears of them once all that was handled is deleted. */
  #atTheEnd: Held[] = [];
  #running = new Set<Promise<unknown>>();
  #credit: number;
  #asked = 0;
  #helpers = 0;
  #mayHide = true;
  #lost = false;
  #hasWarned = false;
  #roomCame: () => void = () => undefined;
  #adoption: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly queue: Queue;
    readonly reading: QueueReading;
    readonly messages: HeldMessages;
    readonly eventsOf: EventsOf;
  }) {
    const { queue, reading, messages, eventsOf } = options;
    const { metadata, logger } = reading;
    this.#queue = queue;
    this.#reading = reading;
    this.#messages = messages;
    this.#eventsOf = eventsOf;
    this.#credit = reading.maxInFlight;
    this.#visibility = Math.min(43_200, Math.max(1, Math.ceil(metadata.visibilityTimeout / 1000)));
    this.#wait = Math.min(20, Math.max(0, Math.ceil(metadata.waitTime / 1000)));
    this.#deletions = new Deletions(queue, messages, logger);
    this.#extensions = new Batcher(gathering, (batch) =>
      this.#hide(batch.map((held) => ({ held, seconds: this.#visibility }))),
    );
    this.#returns = new Batcher(gathering, (batch) => this.#hide(batch));
  }

  start(): void {
    // What an earlier reader could not delete.
    this.#deletions.wake();
    this.#track(this.#run());
  }

  credit(events: number): void {
    this.#credit = events;
    this.#roomCame();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#roomCame();
    const ended = Promise.all(this.#running);
    const hurry = setTimeout(() => this.#polls.abort(), parting);
    await ended;
    clearTimeout(hurry);
  }

  async flush(): Promise<void> {
    await this.#deletions.flush();
    const returned = this.#atTheEnd.splice(0);
    try {
      for (let at = 0; at < returned.length; at += mostEntries) {
        const batch = returned.slice(at, at + mostEntries);
        await this.#hide(batch.map((held) => ({ held, seconds: 0 })));
      }
    } catch (error) {
      // They come again by themselves once their time is over.
      const reason = messageOf(error);
      this.#reading.logger.warn({ reason }, "messages could not be given back to the queue");
    }
  }

  close(): void {
    this.#stopping.abort();
    this.#polls.abort();
    clearInterval(this.#adoption);
    this.#deletions.close();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#untilRoom();
      if (this.#isOver || this.#room <= 0) continue;
      try {
        const count = await this.#receive(this.#wait);
        this.#backOff.reset();
        this.#reading.report?.("", false);
        if (count === mostEntries) this.#help();
      } catch (error) {
        await this.#failed(BindingError.from(error, "unavailable"));
      }
    }
  }

  /** While each request comes back full there are several. */
  #help(): void {
    if (this.#helpers >= mostHelpers || this.#isOver) return;
    this.#helpers++;
    const helping = (async () => {
      let isFull = true;
      while (isFull && !this.#isOver && this.#room >= mostEntries)
        isFull = (await this.#receive(0)) === mostEntries;
    })();
    this.#track(
      helping
        // The one that waits meets the same, and tells it.
        .catch(() => undefined)
        .finally(() => {
          this.#helpers--;
        }),
    );
  }

  /** Asks once, and hands over what has come. Resolves to how many, once there is room for more. */
  async #receive(wait: number): Promise<number> {
    const most = Math.max(1, Math.min(mostEntries, this.#room));
    this.#asked += most;
    let received: readonly ReceivedMessage[];
    try {
      received = await this.#ask(most, wait);
    } finally {
      this.#asked -= most;
    }
    const taking = received.map((message) => this.#take(message));
    const taken: Taken[] = [];
    for (const one of taking) taken.push(one instanceof Promise ? await one : one);
    const events = taken.flatMap((one) =>
      one.kind === "events" && !this.#isOver ? one.events : [],
    );
    if (this.#isOver)
      for (const one of taken) if (one.kind === "events") this.#returnAtTheEnd(one.held);
    // Room may never come once it is to end.
    if (events.length > 0) await orAborted(this.#reading.deliver(events), this.#stopping.signal);
    const failed = taken.find((one) => one.kind === "failed");
    if (failed !== undefined) throw failed.error;
    return received.length;
  }

  async #ask(most: number, wait: number): Promise<readonly ReceivedMessage[]> {
    const visibility = this.#visibility;
    // A FIFO queue gives the same messages again to the same attempt, where the answer was lost.
    const attempt = this.#queue.isFifo ? randomUUID() : undefined;
    try {
      return await withTimeLimit(wait * 1000 + patience, this.#polls.signal, (signal) =>
        this.#queue.receive({ wait, visibility, most, attempt }, signal),
      );
    } catch (error) {
      if (attempt === undefined || BindingError.from(error).effect !== "ambiguous") throw error;
      const isOver = this.#isOver;
      const again = { wait: 0, visibility: isOver ? 0 : visibility, most, attempt };
      const received = await this.#queue.receive(again, AbortSignal.timeout(2_000));
      return isOver ? [] : received;
    }
  }

  #take(message: ReceivedMessage): Taken | Promise<Taken> {
    const verdict = this.#messages.take(message);
    if (verdict.kind === "handled") {
      this.#deletions.wake();
      return nothing;
    }
    const { held } = verdict;
    if (verdict.kind === "held") {
      this.#adopt();
      return nothing;
    }
    if (this.#isOver) {
      this.#returnAtTheEnd(held);
      return nothing;
    }
    const duration = this.#visibility * 1000;
    try {
      const events = this.#eventsOf(message, {
        lease: { duration, extend: this.#mayHide ? () => this.#extend(held) : undefined },
        settle: (settlement) => this.#settle(held, settlement),
        signal: this.#stopping.signal,
      });
      if (!(events instanceof Promise)) return this.#taken(held, events);
      return events.then(
        (made) => this.#taken(held, made),
        (error: unknown) => this.#notTaken(held, BindingError.from(error, "unavailable")),
      );
    } catch (error) {
      return this.#notTaken(held, BindingError.from(error, "unavailable"));
    }
  }

  #taken(held: Held, events: readonly InboundEvent[]): Taken {
    if (events.length > 0) return { kind: "events", held, events };
    this.#settle(held, { outcome: "handled" });
    return nothing;
  }

  #notTaken(held: Held, error: BindingError): Taken {
    if (this.#isOver) {
      this.#returnAtTheEnd(held);
      return nothing;
    }
    if (error.reason !== "invalid_argument") {
      const { message: reason } = error;
      this.#settle(held, { outcome: "returned", reason, after: tryAgainAfter });
      return { kind: "failed", error };
    }
    // It comes again when its time is over, until the queue's redrive policy has it.
    this.#messages.giveBack(held);
    this.#roomCame();
    const facts = { messageId: held.id, reason: error.message };
    const text = "a message cannot be read, and is left to the queue's redrive policy";
    if (this.#hasWarned) this.#reading.logger.debug(facts, text);
    else this.#reading.logger.warn(facts, text);
    this.#hasWarned = true;
    return nothing;
  }

  #returnAtTheEnd(held: Held): void {
    if (this.#messages.giveBack(held)) this.#atTheEnd.push(held);
  }

  #settle(held: Held, settlement: Settlement): void {
    if (settlement.outcome === "handled") {
      if (this.#messages.handled(held)) this.#deletions.wake();
    } else if (this.#messages.giveBack(held)) {
      if (this.#stopping.signal.aborted) this.#atTheEnd.push(held);
      else {
        const left = longestHidden - (performance.now() - held.receivedAt);
        const after = Math.max(0, Math.min(settlement.after ?? 0, left - 1_000));
        this.#returns.add({ held, seconds: Math.ceil(after / 1000) }).catch((error: unknown) => {
          const reason = messageOf(error);
          this.#reading.logger.debug({ reason }, "a message comes again when its time is over");
        });
      }
    }
    this.#roomCame();
  }

  async #extend(held: Held): Promise<void> {
    const left = longestHidden - (performance.now() - held.receivedAt);
    if (left < this.#visibility * 1000 + 1_000) {
      throw new BindingError(
        "failed_precondition",
        "SQS hides a message for twelve hours at most, and they are over",
      );
    }
    await this.#extensions.add(held);
  }

  /** Sets for how long messages are hidden; where this user may not, they come again when their time is over. */
  async #hide(
    batch: readonly { held: Held; seconds: number }[],
  ): Promise<readonly (Error | undefined)[]> {
    if (!this.#mayHide) return batch.map(() => this.#deniedHiding());
    const entries = batch.map(({ held, seconds }) => ({ receipt: held.receipt, seconds }));
    try {
      return await this.#queue.hideFor(entries, AbortSignal.timeout(patience));
    } catch (error) {
      if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
      this.#mayHide = false;
      this.#reading.notice(
        "sqs:ChangeMessageVisibility is denied: the time to handle a message is not renewed, and what is returned comes again only when visibilityTimeout is over",
      );
      return batch.map(() => this.#deniedHiding());
    }
  }

  /** It ends when it would have: the time that it has stays. */
  #deniedHiding(): BindingError {
    const text = "sqs:ChangeMessageVisibility is denied";
    return new BindingError("permission_denied", text, { effect: "ambiguous" });
  }

  /** Renews what came again while it was held, so that it does not come a third time. */
  #adopt(): void {
    this.#adoption ??= setInterval(
      () => {
        const { adopted } = this.#messages;
        if (adopted.length === 0) {
          clearInterval(this.#adoption);
          this.#adoption = undefined;
        }
        for (const held of adopted) this.#extend(held).catch(() => undefined);
      },
      (this.#visibility * 1000) / 3,
    );
  }

  async #failed(error: BindingError): Promise<void> {
    if (this.#isOver) return;
    if (!transient.has(error.reason)) {
      this.#lost = true;
      this.#reading.lost(error);
      return;
    }
    this.#reading.report?.(error.message, true);
    const pause = this.#backOff.next(error.retryAfter);
    const facts = { reason: error.message, pause: formatDuration(pause) };
    this.#reading.logger.warn(facts, "the queue gives no messages");
    await delay(pause, this.#stopping.signal);
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted || this.#lost;
  }

  get #enough(): number {
    return Math.min(mostEntries, this.#credit);
  }

  get #room(): number {
    return this.#credit - this.#messages.size - this.#asked;
  }

  /** Resolves once there is room for a whole request, or for some of it and no more has come in a moment. */
  async #untilRoom(): Promise<void> {
    while (this.#room <= 0 && !this.#isOver)
      await new Promise<void>((resolve) => (this.#roomCame = resolve));
    if (this.#room < this.#enough) await delay(gathering, this.#stopping.signal);
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }
}
