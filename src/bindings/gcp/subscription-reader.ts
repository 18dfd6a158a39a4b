import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { CallFailure } from "../../grpc/client.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { Confirmations } from "./confirmations.ts";
import { HandledMessages } from "../../handled-messages.ts";
import { PullStream } from "./pull-stream.ts";
import { grantFor, type PubsubClient } from "./pubsub-client.ts";
import { failureOf, mayPass } from "../../grpc-service/failure.ts";
import type { ReceivedMessage, StreamAnswer } from "./pubsub-messages.ts";

/** More than are out at one time. */
const mostHandled = 4_096;

/** A message that the runtime has. A later delivery of it has another id for its acknowledgement. */
type Held = { readonly id: string; ackId: string };

/** What a message is to the app. */
export type PubsubEvent = Pick<InboundEvent, "data" | "metadata" | "headers" | "id"> & {
  /** Absent: the message's ordering key, where the subscription keeps the order. */
  readonly key?: string;
};

export type SubscriptionOptions = {
  readonly client: PubsubClient;
  readonly subscription: string;
  /** Milliseconds for which the server leaves a message here, unless it is asked for more. */
  readonly ackDeadline: number;
  readonly reading: Pick<
    // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
    Reading<any>,
    "deliver" | "maxInFlight" | "lost" | "logger" | "component"
  >;
  /**
   * `undefined`: it is no event, and is acknowledged. Throws a `BindingError`: with `invalid_argument` for a message that
   * nothing can be made of, which comes again when its deadline is over until the subscription's dead letters have it,
   * with any other reason for what may go better later. The signal is aborted when no event can be handed over any more.
   */
  readonly eventOf: (
    message: ReceivedMessage,
    signal: AbortSignal,
  ) => PubsubEvent | undefined | Promise<PubsubEvent | undefined>;
  /** Messages whose events are made side by side, and handed over together. Default: all that came together. */
  readonly atOnce?: number;
};

/** Of a subscription with exactly-once delivery, as Google's own clients have it. */
const exactlyOnceDeadline = 60_000;
/** A stream that lasted so long, or brought something, was none that fails again and again. Milliseconds. */
const steady = 10_000;
const firstPause = 100;
const mostFailures = 5;
/** So long, in milliseconds, what is still on its way is waited for at the end. */
const farewell = 1_500;
/** When nothing has come for so long, in milliseconds, the server is asked whether it is there. */
const longestSilence = 15_000;
/** A stream is not replaced by one with more room sooner. */
const leastLife = 1_000;
/** When a message whose event could not be made comes again. Milliseconds. */
const tryAgainAfter = 5_000;
/** Beyond these the component is opened anew. */
const transient = new Set(["unavailable", "resource_exhausted", "deadline_exceeded", "internal"]);

/** Reads a subscription by streams, each of which the server ends sooner or later. */
export class SubscriptionReader implements Reader {
  readonly #options: SubscriptionOptions;
  readonly #confirmations: Confirmations;
  readonly #held = new TurnoverMap<string, Held>();
  readonly #handled: HandledMessages;
  readonly #clientId = randomUUID();
  readonly #stopping = new AbortController();
  #deadline: number;
  #credit: number;
  #stream: PullStream | undefined;
  #isStopped = false;
  #heardAt = performance.now();
  readonly #watch: NodeJS.Timeout;
  #failure: BindingError | undefined;
  #hasWarned = false;
  readonly #ended: Promise<void>;

  constructor(options: SubscriptionOptions) {
    const { client, subscription, reading, ackDeadline } = options;
    this.#options = options;
    this.#deadline = ackDeadline;
    this.#credit = reading.maxInFlight;
    this.#confirmations = new Confirmations(client, subscription);
    const owner = [client.name, subscription, reading.component.appId, reading.component.name];
    this.#handled = HandledMessages.of(JSON.stringify(owner), mostHandled);
    this.#watch = setInterval(() => void this.#ask(), longestSilence).unref();
    this.#ended = this.#run();
  }

  credit(events: number): void {
    this.#credit = events;
    this.#widen();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopping.abort();
    this.#stream?.end();
    const late = new AbortController();
    await Promise.race([this.#ended, pause(farewell, undefined, { signal: late.signal })]);
    late.abort();
    this.#stream?.cancel();
    await this.#ended;
  }

  async flush(): Promise<void> {
    await this.#confirmations.flush();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    this.#isStopped = true;
    this.#stopping.abort();
    this.#stream?.cancel();
    // Given back now, what nobody has settled need not wait for its deadline.
    for (const held of this.#held.values()) this.#giveBack(held, 0);
    this.#held.clear();
    const late = new AbortController();
    const flushed = this.#confirmations.flush();
    await Promise.race([flushed, pause(farewell, undefined, { signal: late.signal })]);
    late.abort();
    this.#confirmations.close();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    for (let failures = 0; !this.#isStopped;) {
      const openedAt = performance.now();
      const end = await this.#readStream();
      if (this.#isStopped) return;
      const { failure, brought, isReplaced } = end;
      if (isReplaced) continue;
      const lasted = performance.now() - openedAt;
      failures = brought || lasted > steady ? 0 : failures + 1;
      if (failure !== undefined && (!mayPass(failure) || failures > mostFailures)) {
        const what = `reading ${this.#options.subscription}`;
        this.#options.reading.lost(failureOf(failure, what, grantFor));
        return;
      }
      const facts = { reason: failure === undefined ? "the server ended it" : messageOf(failure) };
      this.#options.reading.logger.debug(facts, "a stream of messages has ended; opening another");
      const wait = firstPause * 2 ** failures;
      await orAborted(pause(wait, undefined, { ref: false }), this.#stopping.signal);
    }
  }

  async #readStream(): Promise<{
    failure?: CallFailure;
    brought: boolean;
    isReplaced: boolean;
  }> {
    const { client, subscription } = this.#options;
    let brought = false;
    const stream = new PullStream(client, {
      ...{ subscription, clientId: this.#clientId, maxMessages: Math.max(1, this.#credit) },
      ackDeadline: Math.ceil(this.#deadline / 1000),
    });
    this.#stream = stream;
    this.#confirmations.expect(stream.maxMessages);
    try {
      for await (const answer of stream.answers()) {
        brought ||= answer.messages.length > 0;
        this.#heardAt = performance.now();
        await this.#take(answer);
      }
      return { brought, isReplaced: stream.isReplaced };
    } catch (error) {
      if (error instanceof CallFailure)
        return { failure: error, brought, isReplaced: stream.isReplaced };
      if (!this.#isStopped) this.#options.reading.lost(BindingError.from(error, "unavailable"));
      this.#isStopped = true;
      return { brought, isReplaced: false };
    } finally {
      this.#stream = undefined;
    }
  }

  async #take({ messages, exactlyOnce, ordered }: StreamAnswer): Promise<void> {
    if (exactlyOnce) this.#deadline = Math.max(this.#deadline, exactlyOnceDeadline);
    const { atOnce = messages.length } = this.#options;
    for (let at = 0; at < messages.length; at += atOnce) {
      const events = await this.#eventsOf(messages.slice(at, at + atOnce), ordered);
      this.#widen();
      if (events.length === 0) continue;
      await orAborted(this.#options.reading.deliver(events), this.#stopping.signal);
    }
  }

  async #eventsOf(
    messages: readonly ReceivedMessage[],
    ordered: boolean,
  ): Promise<readonly InboundEvent[]> {
    const events: InboundEvent[] = [];
    const later: Promise<InboundEvent | undefined>[] = [];
    for (const message of messages) {
      const held = this.#enter(message);
      const made = held && this.#made(held, message, ordered);
      if (made instanceof Promise) later.push(made);
      else if (made !== undefined) events.push(made);
    }
    for (const event of await Promise.all(later)) if (event !== undefined) events.push(event);
    return events;
  }

  /** `undefined`: it is no event. */
  #enter({ id, ackId }: ReceivedMessage): Held | undefined {
    const before = this.#held.get(id);
    if (before !== undefined) {
      // Its deadline was missed, and it is here all the same.
      before.ackId = ackId;
      return undefined;
    }
    const held: Held = { id, ackId };
    if (this.#handled.has(id)) {
      this.#acknowledge(held);
      return undefined;
    }
    if (this.#isStopped) {
      this.#giveBack(held, 0);
      return undefined;
    }
    this.#held.set(id, held);
    return held;
  }

  #hold(
    held: Held,
    { attempt, orderingKey }: ReceivedMessage,
    { data, metadata, headers, id, key }: PubsubEvent,
    ordered: boolean,
  ): InboundEvent {
    return {
      data,
      metadata,
      headers,
      id,
      key: key ?? (ordered && orderingKey !== "" ? orderingKey : undefined),
      attempt: attempt === 0 ? undefined : attempt,
      redelivered: attempt === 1 ? false : undefined,
      settle: (settlement) => this.#settle(held, settlement),
      lease: { duration: this.#deadline, extend: () => this.#extend(held) },
    };
  }

  /** At once where nothing is asked for it: a promise for each message costs more than all else that is done here. */
  #made(
    held: Held,
    message: ReceivedMessage,
    ordered: boolean,
  ): InboundEvent | undefined | Promise<InboundEvent | undefined> {
    const entered = (event: PubsubEvent | undefined): InboundEvent | undefined => {
      if (event !== undefined && !this.#isStopped) return this.#hold(held, message, event, ordered);
      if (event === undefined) this.#settle(held, { outcome: "handled" });
      else this.#settle(held, { outcome: "returned", reason: "reading has ended" });
      return undefined;
    };
    const failed = (error: unknown): undefined => {
      this.#notMade(held, BindingError.from(error, "unavailable"));
      return undefined;
    };
    try {
      const event = this.#options.eventOf(message, this.#stopping.signal);
      return event instanceof Promise ? event.then(entered).catch(failed) : entered(event);
    } catch (error) {
      return failed(error);
    }
  }

  #notMade(held: Held, error: BindingError): void {
    const { message: reason } = error;
    if (!this.#isStopped) this.#told(held, error);
    if (error.reason === "invalid_argument") this.#held.delete(held.id);
    else this.#settle(held, { outcome: "returned", reason, after: tryAgainAfter });
  }

  /** The first of its kind in the log as a warning; what cannot go better by itself ends the reading. */
  #told(held: Held, error: BindingError): void {
    const { logger, lost } = this.#options.reading;
    const facts = { messageId: held.id, reason: error.message };
    const isInvalid = error.reason === "invalid_argument";
    const text = isInvalid
      ? "a message cannot be read, and is left to the subscription's dead letters"
      : "a message is given back: what it tells of cannot be read now";
    if (this.#hasWarned) logger.debug(facts, text);
    else logger.warn(facts, text);
    this.#hasWarned = true;
    if (!isInvalid && !transient.has(error.reason)) lost(error);
  }

  #settle(held: Held, settlement: Settlement): void {
    if (this.#held.get(held.id) !== held) return;
    this.#held.delete(held.id);
    if (settlement.outcome === "handled") this.#acknowledge(held);
    else this.#giveBack(held, this.#isStopped ? 0 : (settlement.after ?? 0));
  }

  #acknowledge(held: Held): void {
    this.#handled.add(held.id);
    this.#confirmations.acknowledge(held.ackId, (failure) => {
      if (failure === undefined) this.#handled.delete(held.id);
      else this.#unconfirmed(failure, "acknowledged");
    });
  }

  #giveBack({ ackId }: Held, after: number): void {
    this.#confirmations
      .deadline(ackId, after / 1000)
      .catch((error: BindingError) => this.#unconfirmed(error, "given back"));
  }

  /** What is refused for good comes again by itself; with everything else something is wrong. */
  #unconfirmed(error: BindingError, what: string): void {
    if (error.systemCode?.startsWith("PERMANENT_FAILURE_")) {
      const facts = { reason: error.message };
      this.#options.reading.logger.debug(facts, `a message could not be ${what}; it comes again`);
      return;
    }
    this.#failure ??= error;
    if (!this.#isStopped) this.#options.reading.lost(error);
  }

  async #extend(held: Held): Promise<void> {
    const seconds = this.#deadline / 1000;
    const { ackId } = held;
    try {
      await this.#confirmations.deadline(ackId, seconds);
    } catch (error) {
      // Another delivery of it has come meanwhile.
      if (held.ackId !== ackId) return;
      throw error;
    }
  }

  /** A stream says nothing while there are no messages, and nothing either when its connection is gone. */
  async #ask(): Promise<void> {
    if (performance.now() - this.#heardAt < longestSilence || this.#isStopped) return;
    try {
      await this.#options.client.ping(AbortSignal.timeout(longestSilence));
      this.#heardAt = performance.now();
    } catch (error) {
      if (!this.#isStopped) this.#options.reading.lost(BindingError.from(error, "unavailable"));
    }
  }

  /** Where events wait for a retry there is more room than the stream was opened with, which cannot be told of it. */
  #widen(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#isStopped) return;
    const isFull = this.#held.size >= stream.maxMessages && this.#credit > stream.maxMessages;
    if (isFull && stream.age > leastLife) stream.replace();
  }
}
