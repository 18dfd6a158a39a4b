import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { Fields } from "../../metadata/fields.ts";
import { BackOff } from "../../feed/back-off.ts";
import { delay } from "../../delay.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import { sharedLease, sharedSettlement } from "../../object-source/records.ts";
import { withTimeLimit } from "../../http-client/within.ts";
import type { QueueClient, QueueMessage } from "./queue-client.ts";
import { longestVisibility, TakenMessage } from "./taken-message.ts";
import { HandledMessages } from "../../handled-messages.ts";

/** The most that one request gives. */
const mostAtOnce = 32;
/** Milliseconds in which room gathers, so that not each free place is a request. */
const gathering = 10;
/** At the end of a reading: how long an answer is waited for that may have messages. Milliseconds. */
const lastAnswer = 3_000;
/** Messages are deleted, and given back, one by one: so many at a time. */
const requestsAtOnce = 16;
/** The service answers at once, so that a connection on which nothing comes is dead. Milliseconds. */
const requestTimeout = 10_000;
/** At the end of a reading what was settled is confirmed within this time of its begin, or not. */
const lastConfirmation = 7_000;
/** A deletion that failed is tried again after so many milliseconds, so often, before the connection is given up. */
const pauseBetween = 500;
const attempts = 3;
/** When a message whose events could not be made comes again. Milliseconds. */
const tryAgainAfter = 5_000;

/** Part of an event: what the binding makes of a message. */
export type MessageEvent = Pick<InboundEvent, "data" | "metadata"> &
  Partial<Pick<InboundEvent, "headers" | "key" | "id">>;

export type QueueReaderOptions<MetadataFields extends Fields> = {
  readonly queue: QueueClient;
  readonly reading: Reading<MetadataFields>;
  /** Milliseconds. */
  readonly visibilityTimeout: number;
  readonly pollingInterval: number;
  /** Names the queue, beyond a connection. */
  readonly identity: string;
  /**
   * The events of a message. All of them settled, it is deleted; without any it is so at once. Throws a `BindingError`:
   * with `invalid_argument` for a message that nothing can be made of, which comes again each time its visibility is
   * over, until it expires; with any other reason for what may go better later. `signal`: the time for it is over.
   */
  readonly eventsOf: (
    message: QueueMessage,
    signal: AbortSignal,
  ) => readonly MessageEvent[] | Promise<readonly MessageEvent[]>;
};

type Accepted = {
  readonly taken: TakenMessage;
  readonly message: QueueMessage;
  /** None: it is done with, or was not accepted. */
  readonly parts: readonly MessageEvent[];
  /** Why a message that may be read later was not. */
  readonly failure?: BindingError | undefined;
};

/** Reads a queue of Azure Storage: as many messages as there is room for, each leased until it is settled. */
export class QueueReader<MetadataFields extends Fields> implements Reader {
  readonly #options: QueueReaderOptions<MetadataFields>;
  readonly #taken = new Set<TakenMessage>();
  readonly #handled: HandledMessages;
  readonly #ended = new AbortController();
  readonly #late = new AbortController();
  readonly #over = new AbortController();
  readonly #backOff = new BackOff();
  #hasWarned = false;
  #credit: number;
  /** Settled by anybody: there may be room. */
  #room = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();
  #requests = 0;
  readonly #queued: (() => Promise<void>)[] = [];
  #settled = Promise.withResolvers<void>();
  #isLost = false;
  /** Why something settled was not confirmed. */
  #unconfirmed: BindingError | undefined;

  constructor(options: QueueReaderOptions<MetadataFields>) {
    this.#options = options;
    this.#handled = HandledMessages.of(options.identity);
    this.#credit = options.reading.maxInFlight;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => this.#fail(error));
  }

  credit(events: number): void {
    this.#credit = events;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    this.#wake();
    setTimeout(() => this.#over.abort(new Error("no answer in time")), lastConfirmation).unref();
    // What the last answer has would be invisible to all for a while, were it not given back.
    const timer = setTimeout(() => this.#late.abort(), lastAnswer);
    await this.#running;
    clearTimeout(timer);
  }

  async flush(): Promise<void> {
    while (this.#requests > 0 || this.#queued.length > 0) {
      this.#settled = Promise.withResolvers();
      await this.#settled.promise;
    }
    const failure = this.#unconfirmed;
    this.#unconfirmed = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#late.abort();
    this.#wake();
    for (const taken of this.#taken) this.#giveBack(taken, 0);
    await this.flush().catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { queue, visibilityTimeout, pollingInterval } = this.#options;
    const visibility = Math.min(
      Math.max(1, Math.floor(visibilityTimeout / 1000)),
      longestVisibility,
    );
    while (!this.#isEnding) {
      const room = await this.#untilRoom();
      if (this.#isEnding) return;
      const count = Math.min(room, mostAtOnce);
      const messages = await this.#take(queue, count, visibility);
      if (messages.length === 0) {
        await this.#rest(pollingInterval);
        continue;
      }
      if (this.#isEnding) {
        for (const message of messages)
          this.#return(new TakenMessage(queue, message, visibility), 0);
        return;
      }
      await this.#handOver(messages, visibility);
    }
  }

  async #handOver(messages: readonly QueueMessage[], visibility: number): Promise<void> {
    const { queue, reading } = this.#options;
    // They are invisible for so long, and renewed only once they are handed over.
    const limit = Math.min(longestTimer, (visibility * 1000) / 2);
    const accepted = await withTimeLimit(limit, this.#ended.signal, (signal) =>
      Promise.all(
        messages.map((message) =>
          this.#accept(new TakenMessage(queue, message, visibility), message, signal),
        ),
      ),
    );
    if (this.#isEnding) {
      for (const one of accepted) if (one.parts.length > 0) this.#giveBack(one.taken, 0);
      return;
    }
    const events = accepted.flatMap((one) => this.#eventsOf(one, visibility));
    if (events.length > 0) await reading.deliver(events);
    const failure = accepted.find((one) => one.failure !== undefined)?.failure;
    if (failure === undefined) return this.#backOff.reset();
    reading.report?.(failure.message, true);
    const pause = this.#backOff.next(failure.retryAfter);
    const facts = { reason: failure.message, pause: formatDuration(pause) };
    reading.logger.warn(facts, "what a message tells of cannot be read; it comes again");
    await delay(pause, this.#ended.signal);
    reading.report?.("", false);
  }

  async #take(queue: QueueClient, count: number, visibility: number): Promise<QueueMessage[]> {
    try {
      return await withTimeLimit(requestTimeout, this.#late.signal, (signal) =>
        queue.take(count, visibility, signal),
      );
    } catch (error) {
      if (this.#isEnding) return [];
      throw error;
    }
  }

  get #isEnding(): boolean {
    return this.#ended.signal.aborted;
  }

  /** What waits to be deleted for longer than it is invisible is given out again, and then not deleted: no more is taken. */
  get #isBehind(): boolean {
    return this.#queued.length >= mostAtOnce;
  }

  /** Resolves once there is room for a whole request, or for some of it and no more has come in a moment. */
  async #untilRoom(): Promise<number> {
    let until = 0;
    for (;;) {
      if (this.#isEnding) return 0;
      const room = this.#isBehind ? 0 : this.#credit - this.#taken.size;
      if (room >= Math.min(this.#credit, mostAtOnce)) return room;
      const now = performance.now();
      if (room > 0) {
        until ||= now + gathering;
        if (now >= until) return room;
      }
      this.#room = Promise.withResolvers();
      const timer = room > 0 ? setTimeout(() => this.#wake(), until - now) : undefined;
      await this.#room.promise;
      clearTimeout(timer);
    }
  }

  /** Until the next poll, or the end of the reading. */
  async #rest(milliseconds: number): Promise<void> {
    const { signal } = this.#ended;
    if (signal.aborted) return;
    const over = Promise.withResolvers<void>();
    const wake = (): void => over.resolve();
    const timer = setTimeout(wake, Math.min(milliseconds, longestTimer));
    signal.addEventListener("abort", wake, { once: true });
    await over.promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  }

  /** What a message that is new tells of. One that was handled before is deleted, as it should have been then. */
  async #accept(
    taken: TakenMessage,
    message: QueueMessage,
    signal: AbortSignal,
  ): Promise<Accepted> {
    const nothing = { taken, message, parts: [] };
    if (this.#handled.has(message.id)) {
      this.#delete(taken);
      return nothing;
    }
    this.#taken.add(taken);
    try {
      const parts = await this.#options.eventsOf(message, signal);
      if (parts.length > 0) return { taken, message, parts };
      this.#delete(taken);
      return nothing;
    } catch (error) {
      return {
        ...nothing,
        failure: this.#notAccepted(taken, BindingError.from(error, "unavailable")),
      };
    }
  }

  #eventsOf({ taken, message, parts }: Accepted, visibility: number): InboundEvent[] {
    const settleAll = (settlement: Settlement): void => {
      if (settlement.outcome === "handled") this.#delete(taken);
      else this.#giveBack(taken, settlement.after ?? 0);
    };
    const own = { duration: visibility * 1000, extend: () => taken.extend() };
    const isOne = parts.length === 1;
    const settle = isOne ? settleAll : sharedSettlement(parts.length, settleAll);
    const lease = isOne ? own : sharedLease(own);
    return parts.map((part) => ({
      headers: [],
      id: message.id,
      attempt: message.dequeueCount,
      redelivered: message.dequeueCount > 1,
      ...part,
      ...{ settle, lease },
    }));
  }

  /** Returns why reading should pause, if it should. */
  #notAccepted(taken: TakenMessage, error: BindingError): BindingError | undefined {
    if (error.reason !== "invalid_argument" || this.#isEnding) {
      this.#giveBack(taken, this.#isEnding ? 0 : tryAgainAfter);
      return error;
    }
    this.#taken.delete(taken);
    this.#wake();
    const facts = { messageId: taken.id, reason: error.message };
    const text = "a message cannot be read, and stays in the queue until it expires";
    if (this.#hasWarned) this.#options.reading.logger.debug(facts, text);
    else this.#options.reading.logger.warn(facts, text);
    this.#hasWarned = true;
    return undefined;
  }

  #delete(taken: TakenMessage): void {
    this.#handled.add(taken.id);
    this.#taken.delete(taken);
    this.#wake();
    this.#request(async (signal) => {
      if (await taken.delete(signal)) this.#handled.delete(taken.id);
      else
        this.#options.reading.notice(
          `message ${taken.id} of queue ${this.#options.queue.name} was handled, but given out again meanwhile: visibilityTimeout is too short`,
        );
    });
  }

  #giveBack(taken: TakenMessage, after: number): void {
    if (!this.#taken.delete(taken)) return;
    this.#wake();
    this.#return(taken, after);
  }

  #return(taken: TakenMessage, after: number): void {
    this.#request((signal) => taken.giveBack(after, signal));
  }

  /** Runs it now, or when others are done. */
  #request(run: (signal: AbortSignal) => Promise<void>): void {
    this.#queued.push(() => this.#attempt(run));
    this.#next();
  }

  #next(): void {
    while (this.#requests < requestsAtOnce) {
      const run = this.#queued.shift();
      if (run === undefined) break;
      this.#requests++;
      void run().finally(() => {
        this.#requests--;
        this.#next();
        if (!this.#isBehind) this.#wake();
      });
    }
    if (this.#requests === 0) this.#settled.resolve();
  }

  async #attempt(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await withTimeLimit(requestTimeout, this.#over.signal, run);
        return;
      } catch (error) {
        // What a lost connection has not confirmed is tried once more, at its end.
        if (attempt === attempts || this.#isLost || this.#over.signal.aborted) {
          this.#unconfirmed = BindingError.from(error, "unavailable");
          return this.#fail(error);
        }
        await new Promise((resolve) => setTimeout(resolve, pauseBetween * attempt));
      }
    }
  }

  #wake(): void {
    this.#room.resolve();
  }

  #fail(error: unknown): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#options.reading.lost(BindingError.from(error, "unavailable"));
  }
}
