import type { Delivery } from "./message.ts";

/** A message that was delivered and is not done with. */
export type Taken = {
  readonly sequence: number;
  readonly time: string;
  readonly subject: string;
  /** Where its latest delivery is acknowledged. */
  reply: string;
  consumerSequence: number;
  /** When it is to come again, by `performance.now()`, once it was returned. */
  due: number;
  /** Once it was returned: whether later ones of its subject wait for it. */
  holdsSubject: boolean;
};

/** One that was handled: the server may not have heard of it. */
type Handled = Pick<Taken, "time" | "reply">;

/** What becomes of a delivery. */
export type Verdict =
  | { readonly kind: "new"; readonly taken: Taken }
  /** The runtime has it. */
  | { readonly kind: "held" }
  | { readonly kind: "handled" }
  /** An earlier one of its subject is to come again before it, at that time by `performance.now()`. */
  | { readonly kind: "postponed"; readonly taken: Taken };

/** More than the server can have out at one time without having heard of the older ones. Up to twice as many are kept. */
const mostHandled = 4_096;
/** So late, in milliseconds, a message that is due comes at most, where a new one comes instead of it. */
const tolerance = 1_000;
/** The same where others come that were delivered before. */
const longTolerance = 15_000;
/** A message that is postponed comes again after so many milliseconds at least. */
const leastPause = 20;

/**
 * What this process has taken from a consumer and the server may not know of. It outlives the connection: what was
 * handled meanwhile is acknowledged on the next one, and not handled again where it was delivered again.
 */
export class UnacknowledgedMessages {
  readonly #open = new Map<number, Taken>();
  readonly #returned = new Map<number, Taken>();
  readonly #handled = new Map<number, Handled>();
  #newest = 0;
  /** The server may not have heard of what was handled: the connection broke. */
  isUncertain = false;
  /** The stream that the sequences are of, by the time of its creation. */
  streamCreated: string | undefined;

  /** Those of a consumer. */
  static of(identity: string): UnacknowledgedMessages {
    const known = byIdentity.get(identity) ?? new UnacknowledgedMessages();
    byIdentity.set(identity, known);
    return known;
  }

  /** How many the runtime has. */
  get open(): number {
    return this.#open.size;
  }

  /** Those that are to come again, in the order of the stream. */
  get returned(): Taken[] {
    return [...this.#returned.values()].toSorted((one, other) => one.sequence - other.sequence);
  }

  /** The last that were handled. */
  get handledLately(): Handled[] {
    return [...this.#handled.values()];
  }

  /** The sequence of the first that is not handled; `undefined`: nothing was delivered yet. */
  get firstUnhandled(): number | undefined {
    if (this.#newest === 0) return undefined;
    return Math.min(this.#newest + 1, ...this.#open.keys(), ...this.#returned.keys());
  }

  /** What an earlier reader had and did not settle is returned. */
  begin(): void {
    for (const taken of this.#open.values()) this.giveBack(taken);
  }

  /** The consumer was made anew: what was out at the old one comes again by itself. */
  forgetReturned(): void {
    this.#open.clear();
    this.#returned.clear();
  }

  /** The stream is another one. */
  forget(): void {
    this.forgetReturned();
    this.#handled.clear();
    this.#newest = 0;
  }

  /** `ordered`: one that must not overtake an earlier one of its subject is postponed. */
  take(delivery: Delivery, ordered: boolean): Verdict {
    const { sequence, time, deliveries, consumerSequence, message } = delivery;
    const reply = message.reply ?? "";
    const open = this.#open.get(sequence);
    if (open?.time === time) {
      open.reply = reply;
      open.consumerSequence = consumerSequence;
      return { kind: "held" };
    }
    const handled = this.#handled.get(sequence);
    if (handled?.time === time) {
      this.#handled.set(sequence, { time, reply });
      return { kind: "handled" };
    }
    this.#returned.delete(sequence);
    this.#newest = Math.max(this.#newest, sequence);
    const { subject } = message;
    const taken: Taken = {
      sequence,
      time,
      subject,
      reply,
      consumerSequence,
      due: 0,
      holdsSubject: true,
    };
    this.#forgetOverdue(deliveries === 1);
    const before = ordered ? this.#before(taken) : undefined;
    if (before !== undefined) {
      taken.due = Math.max(before.due + 1, performance.now() + leastPause);
      this.#returned.set(sequence, taken);
      return { kind: "postponed", taken };
    }
    this.#open.set(sequence, taken);
    return { kind: "new", taken };
  }

  /** False: the delivery is no more this one's. */
  handled(taken: Taken): boolean {
    if (this.#open.get(taken.sequence) !== taken) return false;
    this.#open.delete(taken.sequence);
    this.#handled.set(taken.sequence, taken);
    if (this.#handled.size > 2 * mostHandled) this.#forgetOldest();
    return true;
  }

  /**
   * It comes again, after so many milliseconds if there is a pause: then later ones do not wait for it. False: the
   * delivery is no more this one's.
   */
  giveBack(taken: Taken, after?: number): boolean {
    if (this.#open.get(taken.sequence) !== taken) return false;
    this.#open.delete(taken.sequence);
    taken.due = performance.now() + (after ?? 0);
    taken.holdsSubject = after === undefined;
    this.#returned.set(taken.sequence, taken);
    return true;
  }

  /** Many at one time: a map that loses its first entry again and again looks for the next one ever longer. */
  #forgetOldest(): void {
    for (const sequence of this.#handled.keys()) {
      if (this.#handled.size <= mostHandled) return;
      this.#handled.delete(sequence);
    }
  }

  /**
   * Forgets what was due long ago: the server delivers what is due before it delivers what is new, so it is gone from
   * the stream, or was delivered to another reader.
   */
  #forgetOverdue(isNew: boolean): void {
    if (this.#returned.size === 0) return;
    const now = performance.now();
    for (const { due, sequence } of this.#returned.values())
      if (due + (isNew ? tolerance : longTolerance) < now) this.#returned.delete(sequence);
  }

  /** The earlier message of the subject that comes again last. */
  #before({ sequence, subject }: Taken): Taken | undefined {
    let last: Taken | undefined;
    for (const one of this.#returned.values()) {
      if (one.subject !== subject || one.sequence >= sequence || !one.holdsSubject) continue;
      if (last === undefined || one.due > last.due) last = one;
    }
    return last;
  }
}

const byIdentity = new Map<string, UnacknowledgedMessages>();
