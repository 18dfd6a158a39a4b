import type { Condition } from "../../../amqp-client/driver.ts";
import { conditionText } from "../../../amqp-client/failures.ts";
import { ReceivingLink } from "../../../amqp-client/receiving-link.ts";
import type { Delivery } from "../../../amqp-client/receiving-options.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../../binding.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import { HandledMessages } from "../../../handled-messages.ts";
import type { NamespaceConnection } from "../messaging-namespace.ts";
import { contentOf } from "./events.ts";
import type { queueFields } from "./fields.ts";
import { LockRenewal, lockDuration, sessionOf, type Lock } from "./locks.ts";
import { Returns } from "./returns.ts";

type Returned = Extract<Settlement, { outcome: "returned" }>;

/** What a link that reads a session says when that has ended, or there was none. */
const sessionEnds: ReadonlySet<string> = new Set([
  "com.microsoft:session-lock-lost",
  "com.microsoft:session-cannot-be-locked",
  "com.microsoft:timeout",
]);

/** A link, and what is known of what it reads. */
type Place = {
  readonly link: ReceivingLink;
  readonly bySession: boolean;
  /** Its session is not its own any more: what the app does not have of it is void. */
  readonly over: AbortController;
  /** Messages that were handled and whose acceptance is not confirmed: their identities by delivery. */
  readonly accepted: Map<number, string>;
  readonly idle: IdleTimer;
};

/**
 * What reads the queue: one link, or one for each session that is read.
 *
 * A session is read in order: at most one link has it, in the order of the queue. When that link ends, the events that came
 * by it and that the app does not have are revoked before the session can be accepted again, which begins at its first
 * message that is not settled. Those of them that were handled are accepted once more and do not go to the app again.
 */
export class QueueReader implements Reader {
  readonly #reading: Reading<typeof queueFields>;
  readonly #namespace: NamespaceConnection;
  readonly #locks: LockRenewal;
  readonly #returns = new Returns();
  readonly #handled: HandledMessages;
  readonly #links = new Set<ReceivingLink>();
  readonly #stopping = new AbortController();
  /** Of each link, events that came in this turn. */
  readonly #batches = new Map<ReceivingLink, InboundEvent[]>();
  #window: number;
  #sessions = 0;
  #failed = false;
  #closed = false;

  /** `identity`: of the queue, for what outlasts a connection. */
  constructor(
    namespace: NamespaceConnection,
    identity: string,
    reading: Reading<typeof queueFields>,
  ) {
    this.#handled = HandledMessages.of(identity);
    this.#namespace = namespace;
    this.#reading = reading;
    this.#locks = new LockRenewal(namespace, reading.metadata.queueName);
    this.#window = this.#room(reading.maxInFlight);
  }

  async start(): Promise<void> {
    const { metadata, signal } = this.#reading;
    await this.#namespace.authorize(metadata.queueName, signal);
    if (metadata.requireSessions) this.#acceptMore();
    else await this.#open(undefined, signal);
  }

  credit(events: number): void {
    this.#window = this.#room(events);
    if (this.#reading.metadata.requireSessions) this.#acceptMore();
    this.#share();
  }

  stop(): void {
    this.#stopping.abort();
    this.#returns.end();
    for (const link of this.#links) link.stop();
  }

  async flush(): Promise<void> {
    await Promise.all(
      [...this.#links].map(async (link) => {
        if (this.#stopping.signal.aborted) await link.drained();
        await link.confirmed();
      }),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.stop();
    const links = [...this.#links];
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }

  /** How many messages may be here. */
  #room(events: number): number {
    const { maxActiveMessages, maxConcurrentHandlers } = this.#reading.metadata;
    const handlers = maxConcurrentHandlers === 0 ? maxActiveMessages : maxConcurrentHandlers;
    return Math.max(1, Math.min(maxActiveMessages, handlers, Math.floor(events)));
  }

  /** Shares the room among the links. */
  #share(): void {
    const links = this.#reading.metadata.requireSessions ? this.#wantedSessions() : 1;
    for (const link of this.#links) link.window(Math.max(1, Math.floor(this.#window / links)));
  }

  #wantedSessions(): number {
    return Math.min(this.#reading.metadata.maxConcurrentSessions, this.#window);
  }

  #acceptMore(): void {
    while (this.#sessions < this.#wantedSessions() && !this.#stopping.signal.aborted) {
      this.#sessions++;
      void this.#readSessions();
    }
  }

  /** Reads one session after another, as long as there is room for so many at one time. */
  async #readSessions(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted && this.#sessions <= this.#wantedSessions()) {
        const began = performance.now();
        const ended = Promise.withResolvers<void>();
        const link = await this.#acceptSession(ended.resolve);
        if (link !== undefined) await ended.promise;
        // Who is told at once that there is none asks again in a while.
        if (performance.now() - began < 1000) await pauseOf(1000, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#lose(BindingError.from(error, "unavailable", "unsent"));
    } finally {
      this.#sessions--;
    }
  }

  /** `undefined`: no session is free that has messages. */
  async #acceptSession(ended: () => void): Promise<ReceivingLink | undefined> {
    try {
      return await this.#open(ended, this.#stopping.signal);
    } catch (error) {
      const code = error instanceof BindingError ? error.systemCode : undefined;
      if (sessionEnds.has(code ?? "")) return undefined;
      throw error;
    }
  }

  /** Opens a link: to the queue, or with `ended` to a session that is free. */
  async #open(ended: (() => void) | undefined, signal: AbortSignal): Promise<ReceivingLink> {
    const { metadata, memory } = this.#reading;
    const { driver, connection } = this.#namespace;
    const bySession = ended !== undefined;
    const timeout = metadata.timeoutInSec * 1000;
    const over = new AbortController();
    const accepted: Place["accepted"] = new Map();
    const idle = new IdleTimer(metadata.sessionIdleTimeoutInSec * 1000, () => {
      if (!bySession || over.signal.aborted) return;
      if (link.held > 0) idle.start();
      else void this.#leave(link, ended);
    });
    const link: ReceivingLink = await ReceivingLink.open({
      ...{ driver, connection, memory, signal },
      what: `the queue ${metadata.queueName} cannot be read`,
      attachTimeout: timeout + 10_000,
      attach: {
        source: {
          address: metadata.queueName,
          // Null: any session that is free.
          ...(bySession ? { filter: { "com.microsoft:session-filter": null } } : {}),
        },
        ...(bySession
          ? { properties: { "com.microsoft:timeout": driver.rhea.types.wrap_uint(timeout) } }
          : {}),
      },
      message: (delivery) => {
        this.#take({ link, bySession, over, accepted, idle }, delivery);
      },
      confirmed: (id) => this.#confirmed(accepted, id),
      refused: (_, error) => {
        this.#tellRefused(error);
        // The message comes again, and those behind it must not overtake it.
        if (bySession) giveUp();
      },
      ended: (reason) => {
        idle.stop();
        this.#links.delete(link);
        over.abort();
        if (bySession && sessionEnds.has(reason.systemCode ?? "")) ended();
        else this.#lose(reason);
      },
    });
    const giveUp = (): void => {
      if (!bySession || over.signal.aborted) return;
      over.abort();
      void this.#close(link, ended);
    };
    this.#links.add(link);
    if (this.#stopping.signal.aborted) link.stop();
    if (bySession) {
      idle.start();
      this.#locks.keep(link, metadata.lockRenewalInSec, giveUp);
    }
    this.#share();
    return link;
  }

  /** A session without messages makes room for another. */
  async #leave(link: ReceivingLink, ended: () => void): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    link.stop();
    try {
      await link.drained();
      await link.confirmed();
    } catch {
      // The link has gone, or will.
    }
    await this.#close(link, ended);
  }

  async #close(link: ReceivingLink, ended: () => void): Promise<void> {
    this.#links.delete(link);
    await link.close();
    ended();
  }

  #take(place: Place, delivery: Delivery): void {
    const { link, bySession, over, idle } = place;
    const { lockedUntil, identity, session, ...content } = contentOf(
      delivery.message,
      delivery.format,
    );
    idle.stop();
    // As it should have been before: no app is to have it again, behind later ones of its session.
    if (identity !== undefined && this.#handled.has(identity)) {
      this.#accept(place, delivery, identity);
      return idle.start();
    }
    const { metadata } = this.#reading;
    const { lockRenewalInSec, queueName } = metadata;
    const duration = lockDuration(lockedUntil, lockRenewalInSec);
    const key = bySession ? (sessionOf(link) ?? session) : undefined;
    const lock: Lock = key === undefined ? { tag: delivery.tag, link } : { session: key, link };
    const event: InboundEvent = {
      ...content,
      key: !bySession && this.#window === 1 ? queueName : key,
      lease: {
        duration,
        extend: lockRenewalInSec === 0 ? undefined : () => this.#locks.renew(lock),
      },
      settle: (settlement) => {
        if (settlement.outcome === "handled") this.#accept(place, delivery, identity);
        else this.#return(link, delivery, settlement, duration);
        idle.start();
      },
      ...(bySession ? { revoked: over.signal } : {}),
    };
    const batch = this.#batches.get(link);
    if (batch !== undefined) {
      batch.push(event);
      return;
    }
    this.#batches.set(link, [event]);
    queueMicrotask(() => this.#deliver(link));
  }

  #accept({ link, accepted }: Place, delivery: Delivery, identity: string | undefined): void {
    const { id, settled } = delivery;
    if (settled) return link.release(id);
    if (identity !== undefined) {
      this.#handled.add(identity);
      accepted.set(id, identity);
    }
    link.settle(id, "accepted");
  }

  #confirmed(accepted: Place["accepted"], id: number): void {
    const identity = accepted.get(id);
    if (identity === undefined) return;
    accepted.delete(id);
    this.#handled.delete(identity);
  }

  #return(link: ReceivingLink, delivery: Delivery, settlement: Returned, lock: number): void {
    const { id, settled } = delivery;
    if (settled) return link.release(id);
    const outcome = settlement.unattempted === true ? "released" : "modified";
    // Beyond the lock it would be delivered all the same.
    const pause = this.#stopping.signal.aborted ? 0 : Math.min(settlement.after ?? 0, lock / 2);
    this.#returns.after(pause, () => link.settle(id, outcome));
  }

  /** What came in one piece from the socket. The credit is what bounds it. */
  #deliver(link: ReceivingLink): void {
    const batch = this.#batches.get(link) ?? [];
    this.#batches.delete(link);
    this.#reading
      .deliver(batch)
      .catch((error: unknown) =>
        this.#lose(new BindingError("internal", messageOf(error), { cause: error })),
      );
  }

  /** The service did not take it: the message comes again, and one that was handled is accepted then. */
  #tellRefused(error: Condition): void {
    this.#reading.logger.warn(
      { error: conditionText(error) },
      "the queue did not take a settlement, since the message's lock was lost; the message comes again",
    );
  }

  #lose(reason: BindingError): void {
    if (this.#failed || this.#closed) return;
    this.#failed = true;
    this.#stopping.abort();
    this.#returns.forget();
    this.#reading.lost(reason);
  }
}

/** Calls back after a time without use. */
class IdleTimer {
  readonly #time: number;
  readonly #idle: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(time: number, idle: () => void) {
    this.#time = time;
    this.#idle = idle;
  }

  start(): void {
    this.stop();
    this.#timer = setTimeout(this.#idle, this.#time);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function pauseOf(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
