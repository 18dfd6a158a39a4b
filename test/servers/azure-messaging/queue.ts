import { randomBytes } from "node:crypto";
import rhea from "rhea";
import type { Delivery, Message, Sender } from "rhea";
import type { Journal } from "./journal.ts";
import { roomOf } from "./room.ts";

export type QueueOptions = {
  /** Milliseconds. */
  readonly lockDuration: number;
  readonly maxDeliveryCount: number;
  readonly requiresSession: boolean;
};

/** A message of a queue. */
type Stored = {
  readonly sequence: number;
  readonly message: Message;
  readonly enqueued: number;
  visibleAt: number;
  deliveries: number;
  lock: Lock | undefined;
};

type Lock = {
  /** As the bytes of the delivery tag, which are a GUID as .NET writes it. */
  readonly tag: Buffer;
  readonly reader: QueueLink;
  until: number;
};

/** A link that reads a queue, or one session of it. */
export type QueueLink = { readonly sender: Sender; readonly session: string | undefined };

type SessionLock = { readonly holder: QueueLink; until: number };

const annotationsOf = (message: Message): Record<string, unknown> =>
  message.message_annotations ?? {};

/** A queue of Service Bus: peek-lock, delivery counts, sessions, dead letters. */
export class Queue {
  readonly name: string;
  readonly options: QueueOptions;
  readonly deadLetters: Message[] = [];
  /** What was settled how, by message id. */
  readonly settled: [id: string, outcome: string][] = [];
  readonly #journal: Journal;
  readonly #links = new Set<QueueLink>();
  readonly #sent = new Map<Delivery, { readonly stored: Stored; readonly tag: Buffer }>();
  readonly #sessions = new Map<string, SessionLock>();
  #waiting: { readonly take: (session: string) => void; readonly sender: Sender }[] = [];
  #stored: Stored[] = [];
  #sequence = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(name: string, options: QueueOptions, journal: Journal) {
    this.name = name;
    this.options = options;
    this.#journal = journal;
  }

  get messages(): readonly {
    readonly message: Message;
    readonly deliveries: number;
    readonly locked: boolean;
  }[] {
    return this.#stored.map(({ message, deliveries, lock }) => ({
      message,
      deliveries,
      locked: lock !== undefined && lock.until > Date.now(),
    }));
  }

  /** Its readers, newest last. */
  get links(): readonly QueueLink[] {
    return [...this.#links];
  }

  put(message: Message, sequence = ++this.#sequence, enqueued = Date.now(), isNew = true): void {
    this.#sequence = Math.max(this.#sequence, sequence);
    const scheduled = annotationsOf(message)["x-opt-scheduled-enqueue-time"];
    const visibleAt = scheduled instanceof Date ? scheduled.getTime() : enqueued;
    this.#stored.push({ sequence, message, enqueued, visibleAt, deliveries: 0, lock: undefined });
    if (isNew) {
      const bytes = rhea.message.encode(message).toString("base64");
      this.#journal.note({ at: this.name, sequence, message: bytes, time: enqueued });
    }
    if (message.ttl !== undefined && message.ttl !== null)
      this.#later(message.ttl, () => this.#expire(sequence));
    this.pump();
  }

  /** As the journal says. */
  restore(
    entry: { readonly gone: number } | { readonly sequence: number; readonly failed: number },
  ): void {
    if ("gone" in entry)
      this.#stored = this.#stored.filter(({ sequence }) => sequence !== entry.gone);
    else
      for (const one of this.#stored)
        if (one.sequence === entry.sequence) one.deliveries = entry.failed;
  }

  attach(link: QueueLink): void {
    this.#links.add(link);
    this.pump();
  }

  /** Takes a session that is free and has messages, now or when there is one. `undefined`: any. */
  acceptSession(
    sender: Sender,
    wanted: string | undefined,
    timeout: number,
    taken: (session: string | undefined) => void,
  ): void {
    let done = false;
    const answer = (session: string | undefined): void => {
      if (done) return;
      done = true;
      this.#waiting = this.#waiting.filter((one) => one !== entry);
      taken(session);
    };
    const entry = { sender, take: (session: string) => answer(session) };
    this.#endSessions();
    if (wanted !== undefined) return answer(this.#isFree(wanted) ? wanted : undefined);
    this.#waiting.push(entry);
    // Who has gone meanwhile waits no more.
    this.#later(timeout, () => {
      if (this.#waiting.includes(entry)) answer(undefined);
    });
    this.#offerSessions();
  }

  lockSession(link: QueueLink): number {
    // Two holders would have its messages at one time.
    if (!this.#isFree(link.session as string)) throw new Error(`${link.session} is locked`);
    const until = Date.now() + this.options.lockDuration;
    this.#sessions.set(link.session as string, { holder: link, until });
    this.#watchSession(link.session as string, until);
    return until;
  }

  /** The link is gone: its session is free, and what it has of it is given back; other messages stay locked. */
  detach(sender: Sender): void {
    this.#waiting = this.#waiting.filter((one) => one.sender !== sender);
    for (const link of this.#links) {
      if (link.sender !== sender) continue;
      this.#links.delete(link);
      if (link.session !== undefined) this.#freeSession(link.session, link);
    }
    for (const [delivery, { stored }] of this.#sent)
      if (stored.lock?.reader.sender === sender && stored.lock.reader.session === undefined)
        this.#sent.delete(delivery);
  }

  /** Sends what may be sent. */
  pump(): void {
    this.#offerSessions();
    for (const link of this.#links) {
      while (link.sender.is_open() && link.sender.sendable() && roomOf(link.sender) > 0) {
        const next = this.#next(link);
        if (next === undefined) break;
        this.#send(link, next);
      }
    }
  }

  /** What a reader says of a delivery. The answer is how the server settles it. */
  settle(
    delivery: Delivery,
    outcome: "accepted" | "released" | "modified" | "rejected",
    state: Record<string, unknown>,
  ): "lock-lost" | undefined {
    const sent = this.#sent.get(delivery);
    this.#sent.delete(delivery);
    const stored = sent?.stored;
    const lock = stored?.lock;
    if (stored === undefined || lock === undefined || lock.tag !== sent?.tag) return "lock-lost";
    if (this.#until(lock) <= Date.now()) return "lock-lost";
    this.settled.push([String(stored.message.message_id ?? stored.sequence), outcome]);
    stored.lock = undefined;
    if (outcome === "accepted") this.#remove(stored);
    else if (outcome === "rejected") this.#bury(stored, "rejected");
    // A failed delivery counts; one that is released does not.
    else if (outcome === "modified" && state["delivery_failed"] === true) this.#failed(stored);
    this.pump();
    return undefined;
  }

  /** Renews the lock of a token. `undefined`: it is lost. */
  renew(token: Buffer): number | undefined {
    for (const { lock } of this.#stored) {
      if (lock === undefined || lock.until <= Date.now() || !uuidOf(lock.tag).equals(token))
        continue;
      return (lock.until = Date.now() + this.options.lockDuration);
    }
    return undefined;
  }

  renewSession(session: string, linkName: string): number | undefined {
    const lock = this.#sessions.get(session);
    if (lock === undefined || lock.until <= Date.now()) return undefined;
    if (lock.holder.sender.name !== linkName) return undefined;
    lock.until = Date.now() + this.options.lockDuration;
    return lock.until;
  }

  /** Ends every lock now, as time would. */
  expireLocks(): void {
    for (const stored of this.#stored) if (stored.lock !== undefined) stored.lock.until = 0;
    for (const lock of this.#sessions.values()) lock.until = 0;
    this.#endSessions();
    this.#sweep();
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #next(link: QueueLink): Stored | undefined {
    const now = Date.now();
    const { session } = link;
    if (session !== undefined && this.#sessions.get(session)?.holder !== link) return undefined;
    return this.#stored.find(
      ({ message, visibleAt, lock }) =>
        lock === undefined &&
        this.#isVisible(visibleAt, now) &&
        (session === undefined || (message.group_id ?? "") === session),
    );
  }

  #isVisible(visibleAt: number, now: number): boolean {
    if (visibleAt <= now) return true;
    this.#later(visibleAt - now, () => this.pump());
    return false;
  }

  #send(link: QueueLink, stored: Stored): void {
    const { types } = rhea;
    const lock: Lock = {
      tag: randomBytes(16),
      reader: link,
      until: Date.now() + this.options.lockDuration,
    };
    stored.lock = lock;
    const until = this.#until(lock);
    const message = {
      ...stored.message,
      delivery_count: stored.deliveries,
      message_annotations: {
        ...stored.message.message_annotations,
        "x-opt-sequence-number": types.wrap_long(stored.sequence),
        "x-opt-enqueued-time": types.wrap_timestamp(stored.enqueued),
        "x-opt-locked-until": types.wrap_timestamp(until),
      },
    } as unknown as Message;
    const delivery = link.sender.send(message, lock.tag);
    this.#sent.set(delivery, { stored, tag: lock.tag });
    this.#watchLocks(until);
  }

  #watchLocks(until: number): void {
    this.#later(until - Date.now() + 1, () => this.#sweep());
  }

  /** Locks that have ended: the delivery has failed. */
  #sweep(): void {
    const now = Date.now();
    for (const stored of [...this.#stored]) {
      const { lock } = stored;
      if (lock === undefined) continue;
      const until = this.#until(lock);
      if (until > now) {
        this.#watchLocks(until);
        continue;
      }
      stored.lock = undefined;
      this.#failed(stored);
    }
    this.pump();
  }

  /** A session's messages are locked as long as it. */
  #until({ reader, until }: Lock): number {
    if (reader.session === undefined) return until;
    const lock = this.#sessions.get(reader.session);
    return lock?.holder === reader ? lock.until : 0;
  }

  /** Locks of sessions that have ended: each is free with all of its messages, before anybody has it again. */
  #endSessions(): void {
    const now = Date.now();
    for (const [session, { holder, until }] of [...this.#sessions])
      if (until <= now) this.#loseSession(session, holder);
  }

  #watchSession(session: string, until: number): void {
    this.#later(until - Date.now() + 1, () => {
      const lock = this.#sessions.get(session);
      if (lock === undefined) return;
      if (lock.until > Date.now()) return this.#watchSession(session, lock.until);
      this.#loseSession(session, lock.holder);
    });
  }

  #loseSession(session: string, holder: QueueLink): void {
    this.#links.delete(holder);
    holder.sender.close({
      condition: "com.microsoft:session-lock-lost",
      description: "The session lock has expired on the session receiver.",
    });
    this.#freeSession(session, holder);
  }

  #freeSession(session: string, holder: QueueLink): void {
    if (this.#sessions.get(session)?.holder !== holder) return;
    this.#sessions.delete(session);
    for (const stored of [...this.#stored]) {
      if (stored.lock?.reader !== holder) continue;
      stored.lock = undefined;
      this.#failed(stored);
    }
    this.pump();
  }

  #isFree(session: string): boolean {
    return !this.#sessions.has(session);
  }

  #offerSessions(): void {
    this.#endSessions();
    while (this.#waiting.length > 0) {
      const now = Date.now();
      const free = this.#stored.find(
        ({ message, lock, visibleAt }) =>
          lock === undefined && visibleAt <= now && this.#isFree(message.group_id ?? ""),
      );
      if (free === undefined) return;
      this.#waiting[0]?.take(free.message.group_id ?? "");
    }
  }

  #failed(stored: Stored): void {
    stored.deliveries++;
    this.#journal.note({ at: this.name, sequence: stored.sequence, failed: stored.deliveries });
    if (stored.deliveries >= this.options.maxDeliveryCount)
      this.#bury(stored, "MaxDeliveryCountExceeded");
  }

  #bury(stored: Stored, reason: string): void {
    this.#remove(stored);
    const properties = { ...stored.message.application_properties, DeadLetterReason: reason };
    this.deadLetters.push({ ...stored.message, application_properties: properties });
  }

  #remove(stored: Stored): void {
    this.#stored = this.#stored.filter((one) => one !== stored);
    this.#journal.note({ at: this.name, gone: stored.sequence });
  }

  #expire(sequence: number): void {
    const stored = this.#stored.find((one) => one.sequence === sequence);
    if (stored !== undefined && stored.lock === undefined) this.#remove(stored);
  }

  #later(wait: number, act: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        act();
      },
      Math.max(1, Math.min(wait, 2 ** 31 - 1)),
    );
    this.#timers.add(timer);
  }
}

/** The UUID whose GUID in .NET's order of bytes the tag is. */
function uuidOf(tag: Buffer): Buffer {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Buffer.from(order.map((at) => tag[at] ?? 0));
}
