/** A message as far as it is told from another one. */
type Message = {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly dup: boolean;
  readonly qos: number;
};

/** A connection on which a message came. */
type Session = {
  readonly failure: Error | undefined;
  acknowledge(identifier: number, qos: number): void;
};

/** A message that the broker was not yet told is done with. */
export type Entry = {
  readonly message: Message;
  readonly identifier: number;
  readonly since: number;
  handled: boolean;
  /** The connection on which it came last. */
  session: Session;
};

/**
 * What one client id has taken from the broker and not acknowledged. It outlives the connection, as
 * the broker's session does: after a reconnect the broker sends these again, under the same packet
 * identifiers, which it cannot have used for anything else, as it never heard of their being done.
 */
export class UnacknowledgedMessages {
  readonly #entries = new Map<number, Entry>();
  /** The broker was asked to keep a session, so that one that is not there has been lost. */
  hadSession = false;

  /** Those of a client id at a broker. */
  static of(identity: string): UnacknowledgedMessages {
    const known = byIdentity.get(identity) ?? new UnacknowledgedMessages();
    byIdentity.set(identity, known);
    return known;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The one that has waited longest. */
  get oldest(): Entry | undefined {
    return this.#entries.values().next().value;
  }

  /** The broker knows nothing of what was before: its identifiers start anew. */
  forget(): void {
    this.#entries.clear();
  }

  /**
   * Takes in what the broker sent. `undefined`: it is known; the app has it, or has already handled
   * it and the broker is told so now.
   */
  take(message: Message, identifier: number, session: Session): Entry | undefined {
    const known = this.#entries.get(identifier);
    if (known !== undefined && message.dup && isSame(known.message, message)) {
      known.session = session;
      if (known.handled) this.#acknowledge(known);
      return undefined;
    }
    const entry: Entry = { message, identifier, since: performance.now(), handled: false, session };
    // Deleted first, so that the order of the map is that of arrival.
    this.#entries.delete(identifier);
    this.#entries.set(identifier, entry);
    return entry;
  }

  /** Tells the broker at once, or when it sends the message again. */
  handled(entry: Entry): void {
    if (this.#entries.get(entry.identifier) !== entry) return;
    entry.handled = true;
    if (entry.session.failure === undefined) this.#acknowledge(entry);
  }

  /** Leaves the message to the broker, which sends it again on the next connection. */
  returned(entry: Entry): void {
    if (this.#entries.get(entry.identifier) === entry) this.#entries.delete(entry.identifier);
  }

  /**
   * The broker has noted that a message with QoS 2 is done with, and sends it no more. False: it was not known to be
   * done with, at least not in this process.
   */
  released(identifier: number): boolean {
    return this.#entries.get(identifier)?.handled === true && this.#entries.delete(identifier);
  }

  #acknowledge({ identifier, message, session }: Entry): void {
    // With QoS 2 it is known until the broker has noted it: whatever it sends again before that was handled.
    if (message.qos !== 2) this.#entries.delete(identifier);
    session.acknowledge(identifier, message.qos);
  }
}

const byIdentity = new Map<string, UnacknowledgedMessages>();

function isSame(one: Message, other: Message): boolean {
  return one.topic === other.topic && Buffer.from(one.payload).equals(Buffer.from(other.payload));
}
