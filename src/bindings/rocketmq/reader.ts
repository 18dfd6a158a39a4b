import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { delay } from "../../delay.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { BackOff } from "../../feed/back-off.ts";
import { CallFailure } from "../../grpc/client.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { receivedAnswer, statusCodes } from "./answers.ts";
import type { Incoming } from "./answers.ts";
import type { RocketmqClient } from "./client.ts";
import { Confirmations } from "./confirmations.ts";
import { bodyOf, eventOf } from "./events.ts";
import { callFailure, statusFailure } from "./failures.ts";
import type { rocketmqFields } from "./fields.ts";
import { HeldMessages } from "./held-messages.ts";
import type { Held } from "./held-messages.ts";
import { receiveRequest } from "./requests.ts";
import type { Resource, Subscription } from "./requests.ts";
import type { Routes } from "./routes.ts";
import { ConsumerSession } from "./session.ts";
import { resourceOf, subscriptionsOf } from "./settings.ts";

const largestBatch = 32;
/** Milliseconds in which room gathers, so that not each free place is a request. */
const gathering = 20;
/** Milliseconds that an answer may take longer than the wait it was asked for. */
const patience = 10_000;
/** Milliseconds that messages on their way at a stop are waited for, so that they need not wait for their time. */
const parting = 200;
/** New brokers of a topic are looked for so often. Milliseconds. */
const routeEvery = 30_000;
/** Beyond these the component is opened anew. */
const transient = new Set(["unavailable", "resource_exhausted", "deadline_exceeded", "internal"]);
/** So many failures of one broker in a row, and the component is opened anew. */
const mostFailures = 3;

type RocketmqReading = Reading<typeof rocketmqFields>;

/** Where one broker's messages of a topic come from. */
type Source = {
  readonly subscription: Subscription;
  readonly broker: string;
  readonly client: RocketmqClient;
};

/** Reads topics with a consumer group: each broker of each topic is asked for itself. */
export class GroupReader implements Reader {
  readonly #routes: Routes;
  readonly #reading: RocketmqReading;
  readonly #group: Resource;
  readonly #subscriptions: readonly Subscription[];
  readonly #messages: HeldMessages;
  readonly #confirmations: Confirmations;
  readonly #batch: number;
  readonly #stopping = new AbortController();
  readonly #polls = new AbortController();
  readonly #sessions = new Map<RocketmqClient, ConsumerSession>();
  readonly #sources = new Map<string, Promise<void>>();
  readonly #missing = new Set<string>();
  #looking: Promise<void> = Promise.resolve();
  #atTheEnd: Held[] = [];
  #credit: number;
  #asked = 0;
  #lost = false;
  #roomCame = Promise.withResolvers<void>();

  constructor(routes: Routes, reading: RocketmqReading) {
    const { metadata, component, maxInFlight } = reading;
    this.#routes = routes;
    this.#reading = reading;
    this.#credit = maxInFlight;
    this.#group = resourceOf(metadata, metadata.consumerGroup ?? "");
    this.#subscriptions = subscriptionsOf(metadata);
    const { host, port } = routes.client.address;
    const owner = [host, port, this.#group, component.appId, component.name];
    this.#messages = HeldMessages.of(JSON.stringify(owner));
    this.#confirmations = new Confirmations(this.#group);
    const { consumerBatchSize } = metadata;
    this.#batch = Math.min(largestBatch, consumerBatchSize || largestBatch);
  }

  /** Resolves once the proxy has taken the consumer. Rejects with a `BindingError`. */
  async start(): Promise<void> {
    await this.#sessionOf(this.#routes.client).ready;
    await this.#look();
    this.#looking = this.#keepLooking();
  }

  credit(events: number): void {
    this.#credit = events;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    const hurry = setTimeout(() => this.#polls.abort(), parting);
    await Promise.all([this.#looking, ...this.#sources.values()]);
    clearTimeout(hurry);
  }

  async flush(): Promise<void> {
    for (const held of this.#atTheEnd.splice(0)) this.#giveBack(held, 0);
    await this.#confirmations.flush();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#polls.abort();
    this.#wake();
    // Given back now, what nobody has settled need not wait for its time.
    for (const held of this.#messages.held.values()) this.#giveBack(held, 0);
    this.#messages.held.clear();
    await orAborted(this.#confirmations.flush(), AbortSignal.timeout(1_500));
    this.#confirmations.close();
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }

  #sessionOf(client: RocketmqClient): ConsumerSession {
    const known = this.#sessions.get(client);
    if (known !== undefined) return known;
    const { waitTime: wait } = this.#reading.metadata;
    const session = new ConsumerSession(client, {
      ...{ group: this.#group, subscriptions: this.#subscriptions, wait },
      lost: (reason) => this.#end(reason),
    });
    this.#sessions.set(client, session);
    return session;
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#stopping;
    const backOff = new BackOff();
    while (!this.#isOver) {
      await delay(this.#missing.size > 0 ? backOff.next() : routeEvery, signal);
      if (this.#isOver) return;
      try {
        await this.#look();
        if (this.#missing.size === 0) backOff.reset();
      } catch (error) {
        this.#end(error);
      }
    }
  }

  /** Asks for the brokers of each topic, and begins to read those that were not known. */
  async #look(): Promise<void> {
    for (const subscription of this.#subscriptions) {
      const { topic } = subscription;
      try {
        const queues = await this.#routes.of(topic, this.#stopping.signal);
        this.#missing.delete(topic.name);
        for (const { isReadable, broker, addresses } of queues)
          if (isReadable)
            this.#begin({ subscription, broker, client: this.#routes.clientOf(addresses) });
      } catch (error) {
        if (this.#isOver) return;
        if (!(error instanceof BindingError) || error.reason !== "not_found") throw error;
        this.#missing.add(topic.name);
      }
    }
    const [first] = this.#missing;
    const isAll = this.#missing.size === this.#subscriptions.length;
    const text = first === undefined ? "" : `there is no topic ${first}, which is waited for`;
    this.#reading.report?.(text, first !== undefined && isAll);
  }

  #begin(source: Source): void {
    const key = JSON.stringify([source.subscription.topic.name, source.broker]);
    if (this.#sources.has(key) || this.#isOver) return;
    this.#sources.set(key, this.#read(source));
  }

  /** Never rejects. */
  async #read(source: Source): Promise<void> {
    const backOff = new BackOff();
    let failures = 0;
    while (!this.#isOver) {
      try {
        await this.#sessionOf(source.client).ready;
        await this.#untilRoom();
        if (this.#isOver) return;
        await this.#receive(source);
        if (failures > 0) this.#reading.report?.("", false);
        failures = 0;
        backOff.reset();
      } catch (error) {
        if (this.#isOver) return;
        const failure = BindingError.from(error, "unavailable");
        if (!transient.has(failure.reason) || ++failures > mostFailures) return this.#end(failure);
        const pause = backOff.next(failure.retryAfter);
        this.#reading.report?.(failure.message, this.#sources.size === 1);
        const facts = { reason: failure.message, pause: formatDuration(pause) };
        this.#reading.logger.warn(facts, "a broker gives no messages");
        await delay(pause, this.#stopping.signal);
      }
    }
  }

  /** Asks once, and hands over what has come, once there is room for it. */
  async #receive(source: Source): Promise<void> {
    const share = Math.max(1, Math.floor(this.#credit / this.#sources.size));
    const most = Math.max(1, Math.min(this.#batch, share, this.#room));
    this.#asked += most;
    let events: InboundEvent[];
    try {
      events = await this.#ask(source, most);
    } finally {
      this.#asked -= most;
    }
    // Room may never come once it is to end.
    if (events.length > 0) await orAborted(this.#reading.deliver(events), this.#stopping.signal);
  }

  async #ask(source: Source, most: number): Promise<InboundEvent[]> {
    const { subscription, broker, client } = source;
    const { invisibleDuration: invisible, waitTime: wait } = this.#reading.metadata;
    const { topic, filter } = subscription;
    const message = receiveRequest({
      ...{ group: this.#group, topic, broker, filter, most, invisible, wait },
    });
    const what = `binding-rocketmq: reading ${topic.name}`;
    const options = { signal: this.#polls.signal, timeout: wait + patience };
    const events: InboundEvent[] = [];
    try {
      for await (const bytes of client.stream("ReceiveMessage", once(message), options)) {
        const received = receivedAnswer(bytes);
        if (received === undefined) continue;
        if ("status" in received) {
          const { code } = received.status;
          if (code !== statusCodes.ok && code !== statusCodes.messageNotFound)
            throw statusFailure(received.status, what);
          continue;
        }
        const event = await this.#take(received.message, source);
        if (event !== undefined) events.push(event);
      }
    } catch (error) {
      // What had come before is here all the same.
      if (events.length === 0 && !this.#polls.signal.aborted)
        throw error instanceof CallFailure ? callFailure(error, what) : error;
    }
    return events;
  }

  async #take(message: Incoming, source: Source): Promise<InboundEvent | undefined> {
    const { id, receipt } = message;
    const { held: all } = this.#messages;
    const known = all.get(id);
    if (known !== undefined) {
      // Its time was missed, and it is here all the same.
      known.receipt = receipt;
      return undefined;
    }
    const { client, broker, subscription } = source;
    const { topic } = subscription;
    const isUncertain = message.group !== "";
    const held: Held = { id, topic, client, receipt, changing: undefined, isUncertain };
    if (this.#messages.isHandled(id)) {
      this.#acknowledge(held);
      return undefined;
    }
    if (this.#isOver) {
      this.#atTheEnd.push(held);
      return undefined;
    }
    all.set(id, held);
    try {
      const data = await bodyOf(message);
      const { type, expression } = subscription.filter;
      // What Dapr's component tells of a subscription to tags.
      const told = {
        type: type === "sql" ? "SQL92" : "",
        expression: expression === "*" ? "" : expression,
      };
      return eventOf(
        message,
        data,
        { group: this.#group.name, broker, subscription: told },
        {
          settle: (settlement) => this.#settle(held, settlement),
          lease: { duration: this.#duration, extend: () => this.#extend(held) },
        },
      );
    } catch (error) {
      all.delete(id);
      await this.#notTaken(held, message, error);
      return undefined;
    }
  }

  /** A message that is damaged stays so: the group's dead letters have it. */
  async #notTaken(held: Held, { attempt }: Incoming, error: unknown): Promise<void> {
    const { logger } = this.#reading;
    const facts = { messageId: held.id, reason: messageOf(error) };
    try {
      await this.#confirmations.moveToDeadLetters(held, attempt);
      logger.warn(facts, "a message is damaged, and was moved to the group's dead letters");
    } catch (failure) {
      logger.warn(
        { ...facts, failure: messageOf(failure) },
        "a message is damaged, and comes again until the broker moves it to the dead letters",
      );
    }
  }

  #settle(held: Held, settlement: Settlement): void {
    if (this.#messages.held.get(held.id) !== held) return;
    this.#messages.held.delete(held.id);
    if (settlement.outcome === "handled") this.#acknowledge(held);
    else if (this.#stopping.signal.aborted) this.#atTheEnd.push(held);
    else this.#giveBack(held, settlement.after ?? 0);
    this.#wake();
  }

  #acknowledge(held: Held): void {
    this.#messages.handled(held.id);
    this.#confirmations.acknowledge(held, (failure) => {
      if (failure === undefined) this.#messages.acknowledged(held);
      else if (failure.effect !== "rejected") this.#end(failure);
    });
  }

  #giveBack(held: Held, after: number): void {
    this.#confirmations.hideFor(held, after).catch((error: unknown) => {
      const reason = messageOf(error);
      this.#reading.logger.debug({ reason }, "a message comes again when its time is over");
    });
  }

  async #extend(held: Held): Promise<void> {
    const { receipt } = held;
    try {
      await this.#confirmations.hideFor(held, this.#duration);
    } catch (error) {
      // Another delivery of it has come meanwhile.
      if (held.receipt !== receipt) return;
      throw error;
    }
  }

  #end(reason: unknown): void {
    if (this.#isOver) return;
    this.#lost = true;
    this.#polls.abort();
    this.#wake();
    this.#reading.lost(reason);
  }

  get #duration(): number {
    return this.#reading.metadata.invisibleDuration;
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted || this.#lost;
  }

  get #room(): number {
    return this.#credit - this.#messages.held.size - this.#asked;
  }

  #wake(): void {
    this.#roomCame.resolve();
    this.#roomCame = Promise.withResolvers();
  }

  /** Resolves once there is room for a whole request, or for some of it and no more has come in a moment. */
  async #untilRoom(): Promise<void> {
    while (this.#room <= 0 && !this.#isOver) await this.#roomCame.promise;
    if (this.#room < this.#batch) await delay(gathering, this.#stopping.signal);
  }
}

async function* once(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}
