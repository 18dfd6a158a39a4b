import { delay } from "../../delay.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { consumerInfo, type ConsumerInfo } from "./consumer.ts";
import { callFailure } from "../../nats-client/failures.ts";
import type { Link } from "./link.ts";
import type { Delivery } from "./message.ts";
import { requestLife, type Pulls } from "./pulls.ts";
import type { Taken, UnacknowledgedMessages } from "./unacknowledged-messages.ts";

export type CatchUpOptions = {
  readonly link: Link;
  readonly info: ConsumerInfo;
  readonly unacknowledged: UnacknowledgedMessages;
  readonly pulls: Pulls;
  readonly isOrdered: boolean;
  readonly ackWait: number;
  readonly signal: AbortSignal;
  /** Says what is waited for; empty: nothing is any more. */
  readonly report: (text: string) => void;
  readonly giveBack: (taken: Taken) => void;
};

/** The server looks for what is due so late at most, in milliseconds. */
const slack = 1_000;
const lookAgainAfter = 500;
/** How long what is due may take to come, in milliseconds. */
const gatherTime = 5_000;

/**
 * Begins where others have stopped. Messages that were delivered and not acknowledged come again once their time is
 * over, and the server has newer ones to deliver meanwhile: to keep the order of a subject they are gathered first,
 * and put in the order of the stream.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  readonly #gathered: Delivery[] = [];
  readonly #sequences = new Set<number>();
  #wanted = 0;
  /** The last sequence that was delivered before. */
  #last = 0;
  #complete: (() => void) | undefined;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#ended.signal]);
  }

  stop(): void {
    this.#ended.abort();
    this.#complete?.();
  }

  /** A message has come. */
  take(delivery: Delivery): void {
    this.#gathered.push(delivery);
    const isNew = delivery.sequence > this.#last && delivery.deliveries === 1;
    if (!isNew) this.#sequences.add(delivery.sequence);
    // New ones come once nothing is to be delivered again.
    if (isNew || this.#sequences.size >= this.#wanted) this.#complete?.();
  }

  /** Resolves to what has come meanwhile, in the order of the stream. */
  async run(): Promise<readonly Delivery[]> {
    const { unacknowledged, isOrdered, giveBack, report } = this.#options;
    await this.#acknowledgeAgain();
    const info = unacknowledged.isUncertain
      ? await consumerInfo(this.#options.link)
      : this.#options.info;
    unacknowledged.isUncertain = false;
    if (isOrdered && info.num_ack_pending > 0) {
      const others = this.#othersOf(info);
      const last = others > 0 ? await this.#wait(info, others) : info;
      report("");
      if (this.#signal.aborted) return [];
      for (const taken of unacknowledged.returned) giveBack(taken);
      await this.#gather(last);
    } else for (const taken of unacknowledged.returned) giveBack(taken);
    return this.#gathered.splice(0).toSorted((one, other) => one.sequence - other.sequence);
  }

  /** The server may not have heard of it: the connection broke. What it has heard of it ignores. */
  async #acknowledgeAgain(): Promise<void> {
    const { link, unacknowledged } = this.#options;
    if (!unacknowledged.isUncertain) return;
    const handled = unacknowledged.handledLately;
    const last = handled.at(-1);
    if (last === undefined) return;
    for (const { reply } of handled) link.publish(reply);
    try {
      await link.request(last.reply, "+WPI");
    } catch (error) {
      throw callFailure(error, "messages could not be acknowledged again");
    }
  }

  /** How many are out that this process does not know of. */
  #othersOf({ num_ack_pending, delivered }: ConsumerInfo): number {
    const own = this.#options.unacknowledged.returned.filter(
      ({ consumerSequence }) => consumerSequence <= delivered.consumer_seq,
    );
    return Math.max(0, num_ack_pending - own.length);
  }

  /** Waits until nobody else can have what is unacknowledged: a reader that has gone, or a connection that broke. */
  async #wait(first: ConsumerInfo, others: number): Promise<ConsumerInfo> {
    const { link, report, ackWait } = this.#options;
    const time = ackWait + slack;
    const text = `${others} messages are unacknowledged by an earlier reader or connection, and come again within ackWait, ${formatDuration(ackWait)}; with orderBySubject newer ones wait for them`;
    report(text);
    let info = first;
    const began = performance.now();
    let since = began;
    while (!this.#signal.aborted) {
      const now = performance.now();
      if (now - since >= time || now - began >= time + requestLife) break;
      const left = Math.min(lookAgainAfter, since + time - now);
      await delay(left, this.#signal);
      if (this.#signal.aborted) break;
      const next = await consumerInfo(link);
      if (this.#othersOf(next) === 0) return next;
      // Somebody still asks, or a connection that nobody noticed to be gone does.
      if (next.num_waiting > 0 || next.delivered.consumer_seq !== info.delivered.consumer_seq)
        since = performance.now();
      info = next;
    }
    return info;
  }

  async #gather(info: ConsumerInfo): Promise<void> {
    const { pulls, unacknowledged } = this.#options;
    const soon = performance.now() + slack;
    const later = unacknowledged.returned.filter(({ due }) => due > soon).length;
    this.#wanted = info.num_ack_pending - later;
    this.#last = info.delivered.stream_seq;
    if (this.#wanted <= 0) return;
    const complete = Promise.withResolvers<void>();
    this.#complete = complete.resolve;
    const timer = setTimeout(complete.resolve, gatherTime);
    const signal = this.#signal;
    const ask = (): void => {
      if (pulls.outstanding === 0 && !signal.aborted)
        pulls.ask(this.#wanted - this.#sequences.size, gatherTime);
    };
    const asking = setInterval(ask, 50);
    ask();
    await complete.promise;
    clearTimeout(timer);
    clearInterval(asking);
    this.#complete = undefined;
  }
}
