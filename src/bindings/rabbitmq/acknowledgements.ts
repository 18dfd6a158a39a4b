import { longestTimer } from "../../metadata/duration.ts";

/** The part of a channel that is used here. */
export type AcknowledgingChannel = {
  ack(message: DeliveryTag, allUpTo: boolean): void;
  nack(message: DeliveryTag, allUpTo: boolean, requeue: boolean): void;
};

type DeliveryTag = { fields: { deliveryTag: number } };

/**
 * The messages of one channel that the server waits to hear of. What was handled is noted and goes
 * out in groups: all up to the first that is still open in one frame, the others one by one.
 */
export class Acknowledgements {
  readonly #channel: AcknowledgingChannel;
  readonly #longestHold: number;
  // In the order of delivery, which is that of the tags; each with the time it came.
  readonly #open = new Map<number, { readonly since: number; handled: boolean }>();
  #handled: number[] = [];
  #scheduled = false;
  readonly #pauses = new Set<NodeJS.Timeout>();

  /** `longestHold`: milliseconds after delivery by which a message must have been returned. */
  constructor(channel: AcknowledgingChannel, longestHold: number) {
    this.#channel = channel;
    this.#longestHold = longestHold;
  }

  delivered(tag: number): void {
    this.#open.set(tag, { since: performance.now(), handled: false });
  }

  handled(tag: number): void {
    const entry = this.#open.get(tag);
    if (entry === undefined) return;
    entry.handled = true;
    this.#handled.push(tag);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.write());
  }

  /** Gives the message back to the queue, after the pause if there is one. */
  returned(tag: number, after: number): void {
    const entry = this.#open.get(tag);
    if (entry === undefined) return;
    const pause = Math.min(
      after,
      longestTimer,
      entry.since + this.#longestHold - performance.now(),
    );
    if (pause <= 0) {
      this.#requeue(tag);
      return;
    }
    const timer = setTimeout(() => {
      this.#pauses.delete(timer);
      this.#requeue(tag);
    }, pause);
    this.#pauses.add(timer);
  }

  /** Sends what is noted. */
  write(): void {
    this.#scheduled = false;
    const handled = this.#handled;
    this.#handled = [];
    let last = 0;
    let count = 0;
    for (const [tag, entry] of this.#open) {
      if (!entry.handled) break;
      this.#open.delete(tag);
      last = tag;
      count++;
    }
    if (count > 0) this.#channel.ack(messageOf(last), count > 1);
    for (const tag of handled) {
      if (tag > last && this.#open.delete(tag)) this.#channel.ack(messageOf(tag), false);
    }
  }

  /** Forgets everything: the channel is gone, and with it the server's waiting. */
  abandon(): void {
    for (const timer of this.#pauses) clearTimeout(timer);
    this.#pauses.clear();
    this.#open.clear();
    this.#handled = [];
  }

  #requeue(tag: number): void {
    if (this.#open.delete(tag)) this.#channel.nack(messageOf(tag), false, true);
  }
}

function messageOf(deliveryTag: number): DeliveryTag {
  return { fields: { deliveryTag } };
}
