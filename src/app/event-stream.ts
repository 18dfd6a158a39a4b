import { durationMs } from "@bufbuild/protobuf/wkt";
import { fromBinary } from "@bufbuild/protobuf";
import {
  AppMessageSchema,
  type Reply as ReplyMessage,
  type Settlement,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import type { Logger } from "../binding.ts";
import { TurnoverMap } from "../memory/turnover-map.ts";
import type { Delivery, LaneReference, Outcome, Reply } from "../runtime/app.ts";
import { countForBatch, encodeEventBatch, encodeNotice } from "./event-batch.ts";

/** What an app does against the rules of the stream. The stream ends with it. */
export class EventStreamError extends Error {
  override readonly name = "EventStreamError";
}

export type EventStreamOptions = {
  readonly logger: Logger;
  /** Called when it takes more than before: its subscription came, or credit after there was none. */
  readonly onRoom: () => void;
  /** Whether the app is well enough to be given events. Default: always. */
  readonly isAvailable?: () => boolean;
  /**
   * The numbers of deliveries: from `first` on, `step` apart, so that several streams of this kind are one for the app.
   * Default: 1 and 1.
   */
  readonly numbers?: { readonly first: number; readonly step: number };
  /** Called when an event waits for credit. */
  readonly onNeeded?: () => void;
};

/** An event that was delivered and not settled. */
type Held = {
  /** By which the app settles it; 0: it was not sent yet. */
  number: number;
  readonly delivery: Delivery;
  readonly signal: AbortSignal;
  readonly resolve: (outcome: Outcome) => void;
};

const mostCredit = 0xffff_ffff;
/** Larger than what any app's gRPC library takes in one message, and what the wire format has room for. */
const largestEvent = 192 * 1024 * 1024;

/**
 * One stream of events to an app, whichever side has dialled: the transport pulls {@link batches} and
 * hands in the app's messages by {@link take}. What is delivered together goes out together.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  /** For the app's log. */
  readonly #notices: string[] = [];
  /** Handed over, and not pulled by the transport. */
  #queue: Held[] = [];
  /** By the number of the delivery, in the order of sending. */
  readonly #sent = new TurnoverMap<number, Held>();
  readonly #signals = new WeakSet<AbortSignal>();
  #bindings: ReadonlySet<string> | undefined;
  #subscribed = false;
  #ordered = false;
  #credit = 0;
  #last: number;
  #delivered = 0;
  #settled = 0;
  #strange = 0;
  #ended = false;
  #closing = false;
  #wake: (() => void) | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    const { first, step } = options.numbers ?? everyNumber;
    this.#last = first - step;
  }

  /** How many events it was given since it began. */
  get delivered(): number {
    return this.#delivered;
  }

  /** An event waits that there is no credit for. */
  needed(): void {
    this.#options.onNeeded?.();
  }

  /** Gives up what credit there is, and tells how much. */
  giveUpCredit(): number {
    const given = Math.max(0, this.#credit);
    this.#credit -= given;
    return given;
  }

  /** How many more events the app takes. */
  get credit(): number {
    return this.#credit;
  }

  /** The inputs that the app has named. `undefined`: it wants all. */
  get bindings(): readonly string[] | undefined {
    return this.#bindings && [...this.#bindings];
  }

  /** Whether the app keeps the order of a lane itself. */
  get ordered(): boolean {
    return this.#ordered;
  }

  /** Whether the app has settled anything. */
  get hasSettled(): boolean {
    return this.#settled > 0;
  }

  /** Whether the app wants the events of this input, and can be given some. */
  wants(binding: string): boolean {
    if (!this.#subscribed || this.#ended || this.#closing) return false;
    if (this.#bindings?.has(binding) === false) return false;
    return this.#options.isAvailable?.() ?? true;
  }

  /** Hands one event over, for which there must be credit. Never rejects. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const { data } = delivery;
    if (this.#ended || this.#closing)
      return Promise.resolve({ kind: "unsent", reason: "the app's event stream has ended" });
    if (data !== undefined && data.length > largestEvent) {
      const reason = `an event of ${data.length} bytes does not fit into an event stream (at most ${largestEvent})`;
      return Promise.resolve({ kind: "refused", reason });
    }
    if (signal.aborted) return Promise.resolve({ kind: "unsent", reason: "cancelled" });
    this.#heed(signal);
    this.#credit--;
    this.#delivered++;
    return new Promise((resolve) => {
      this.#queue.push({ number: 0, delivery, signal, resolve });
      this.#wake?.();
    });
  }

  /** Tells the app something for its log. */
  notify(notice: string): void {
    this.#notices.push(notice);
    this.#wake?.();
  }

  /** The messages to the app, each made when it is pulled. Ends after {@link end} or {@link close}. */
  async *batches(): AsyncGenerator<Uint8Array, void, undefined> {
    while (!this.#ended) {
      const notice = this.#notices.shift();
      if (notice !== undefined) yield encodeNotice(notice);
      else if (this.#queue.length > 0) yield this.#nextBatch();
      else if (this.#closing) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Takes a message of the app in. Throws an {@link EventStreamError} when it is against the rules. */
  take(message: Uint8Array): void {
    let read;
    try {
      read = fromBinary(AppMessageSchema, message);
    } catch {
      throw new EventStreamError("the app's message is no cufflink.v1.AppMessage");
    }
    const { subscription, credit, handled, settlements } = read;
    if (subscription !== undefined) {
      if (this.#subscribed) throw new EventStreamError("the app has subscribed already");
      this.#subscribed = true;
      this.#ordered = subscription.orderedPipelining;
      if (subscription.bindings.length > 0) this.#bindings = new Set(subscription.bindings);
    } else if (!this.#subscribed) {
      throw new EventStreamError("the first message of the app must have a subscription");
    }
    const hadNone = this.#credit <= 0;
    this.#credit = Math.min(mostCredit, this.#credit + credit);
    for (const number of handled) this.#settle(number, handledPlainly);
    for (const settlement of settlements) this.#settle(settlement.delivery, outcomeOf(settlement));
    if (subscription !== undefined || (hadNone && this.#credit > 0)) this.#options.onRoom();
  }

  /** Takes no more events; what was delivered goes out, and then {@link batches} ends. */
  close(): void {
    this.#closing = true;
    this.#wake?.();
  }

  /**
   * The stream is gone. What was not pulled was not sent. Of what was, the first of each lane counts as
   * attempted: the others of its lane were behind it. `properly`: the app has ended its side, and would have
   * settled what it attempted, so nothing does.
   */
  end(reason: string, properly = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake?.();
    const attempted = new Set<LaneReference>();
    for (const { delivery, resolve } of this.#sent.values()) {
      const { lane } = delivery;
      if (properly) resolve({ kind: "not attempted" });
      else if (lane === undefined || !attempted.has(lane)) resolve({ kind: "refused", reason });
      else resolve({ kind: "not attempted" });
      if (lane !== undefined) attempted.add(lane);
    }
    this.#sent.clear();
    for (const { resolve } of this.#queue.splice(0)) resolve({ kind: "unsent", reason });
  }

  #nextBatch(): Uint8Array {
    const held = this.#queue.splice(0, countForBatch(this.#queue));
    for (const one of held) {
      one.number = this.#nextNumber();
      this.#sent.set(one.number, one);
    }
    return encodeEventBatch(held);
  }

  /** 32 bits, without those that are still out. */
  #nextNumber(): number {
    const { first, step } = this.#options.numbers ?? everyNumber;
    do this.#last = this.#last + step > 0xffff_ffff ? first : this.#last + step;
    while (this.#sent.has(this.#last));
    return this.#last;
  }

  #settle(number: number, outcome: Outcome): void {
    const held = this.#sent.get(number);
    if (held === undefined) {
      // One that the runtime has cancelled may still be settled; an app that does it often is wrong.
      if (++this.#strange === 1)
        this.#options.logger.warn(
          { delivery: number },
          "the app settled an unknown delivery: settled twice, or cancelled before",
        );
      return;
    }
    this.#sent.delete(number);
    this.#settled++;
    held.resolve(outcome);
  }

  /** One listener for all events of a component: they share the signal. */
  #heed(signal: AbortSignal): void {
    if (this.#signals.has(signal)) return;
    this.#signals.add(signal);
    const giveUp = (): void => {
      const reason = "cancelled";
      for (const held of this.#sent.values()) {
        if (held.signal !== signal) continue;
        this.#sent.delete(held.number);
        held.resolve({ kind: "refused", reason });
      }
      for (const held of this.#queue)
        if (held.signal === signal) held.resolve({ kind: "unsent", reason });
      this.#queue = this.#queue.filter((held) => held.signal !== signal);
    };
    signal.addEventListener("abort", giveUp, { once: true });
  }
}

const everyNumber = { first: 1, step: 1 };

const handledPlainly: Outcome = { kind: "handled", reply: undefined };

function outcomeOf({ outcome }: Settlement): Outcome {
  switch (outcome.case) {
    case "handled":
      return { kind: "handled", reply: replyOf(outcome.value) };
    case "retry": {
      const { reason, after } = outcome.value;
      return {
        kind: "refused",
        reason: reason || "the app asks for another attempt",
        after: after && Math.max(0, durationMs(after)),
      };
    }
    case "deadLetter":
      return {
        kind: "refused",
        reason: outcome.value.reason || "the app asks for a dead letter",
        final: true,
      };
    case "drop":
      return { kind: "dropped", reason: outcome.value.reason };
    case "notAttempted":
      return { kind: "not attempted" };
    case undefined:
      return { kind: "refused", reason: "the app settled the event without an outcome" };
  }
}

function replyOf({ data, contentType, to, parallel, storeName, states }: ReplyMessage): Reply {
  return {
    source: "grpc",
    data,
    contentType: contentType || undefined,
    to,
    concurrency: parallel ? "parallel" : "sequential",
    storeName,
    states: states.map(({ key, value }) => ({ key, value })),
  };
}
