import type { Msg } from "@nats-io/transport-node";
import type { InboundEvent, Logger, Settlement } from "../binding.ts";
import { delay } from "../delay.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { Arrivals } from "./arrivals.ts";
import { messageOf } from "../errors.ts";
import { readEvent, readPart } from "./envelope.ts";
import type { RelayLink } from "./link.ts";
import { deliveredOf, type Delivered } from "./message.ts";
import { OpenEvents, type OpenEvent } from "./open-events.ts";
import { Pulls } from "./pulls.ts";
import {
  beginAgain,
  handOver,
  partitionInfo,
  useConsumer,
  type RelayNames,
  type RelayTimes,
} from "./stream.ts";

export type PartitionOptions = {
  readonly names: RelayNames;
  readonly partition: number;
  readonly times: RelayTimes;
  readonly logger: Logger;
  /** Whether it may be had, now that it could be. */
  readonly mayTake: () => boolean;
  /** Nobody answers for its consumer. */
  readonly missing: () => void;
  /** What this replica has has changed. */
  readonly changed: () => void;
  /** The most messages that may be out. */
  readonly window: () => number;
  readonly deliver: (events: readonly InboundEvent[], source: string) => Promise<void>;
  readonly redelivered: () => void;
};

/**
 * `idle`: it is another replica's, as far as this one cares; `asking`: it is had as soon as the server has a message for
 * nobody else; `taking over`: it is had, and what another one has of it may not be done; `held`; `leaving`: it is had
 * until the app has finished.
 */
export type PartitionState = "idle" | "asking" | "taking over" | "held" | "leaving";

const anothers = "another replica has it";
const unconfirmed = "the server did not confirm it in time";

/** One partition of a relay, on one replica: asked for, taken over, read in order, and given up. */
export class Partition {
  readonly number: number;
  readonly #options: PartitionOptions;
  readonly #events = new OpenEvents();
  #state: PartitionState = "idle";
  #link: RelayLink | undefined;
  #pulls: Pulls | undefined;
  #pin = "";
  /** What was given back without having been taken. */
  #leaving = "";
  /** Until when this replica may deliver, by `performance.now()`. */
  #validUntil = 0;
  /** Aborted when it is had no more: what the app has not got is returned. */
  #tenure = new AbortController();
  /** It begins again: what was delivered before is not looked at. */
  #awaitsFirst = false;
  readonly #arrivals: Arrivals;
  readonly #acknowledgements = new Acknowledgements(() => this.#link);
  #confirming = false;
  #settled: (() => void) | undefined;

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.number = options.partition;
    const source = `relay partition ${options.partition}`;
    this.#arrivals = new Arrivals(
      (events) => options.deliver(events, source),
      () => this.#pull(),
    );
  }

  get state(): PartitionState {
    return this.#state;
  }

  /** How many of its events the runtime or the app has. */
  get open(): number {
    return this.#events.size;
  }

  /** Wants to have it. */
  ask(link: RelayLink): void {
    if (this.#state !== "idle" || link.ended !== undefined) return;
    this.#link = link;
    this.#state = "asking";
    this.#begin(link);
    this.#pulls?.ask(1);
  }

  /** Wants it no more, unless it is had by now. */
  stopAsking(): void {
    if (this.#state === "asking") this.#toIdle();
  }

  /** To be called once each beat. */
  beat(): void {
    this.#pulls?.look();
    if (this.#state === "asking" || this.#state === "idle") return;
    this.#pulls?.stay(this.#options.times.beat);
    if (this.#state === "taking over" || this.#events.size === 0) return;
    // Those that are held wait for the server's word, however late it is.
    if (this.#events.size > this.#arrivals.held && !this.isValid) this.#lose(unconfirmed);
    else void this.#confirm();
  }

  /** Whether this replica may deliver its events now. Looks at the clock. */
  get isValid(): boolean {
    return performance.now() < this.#validUntil;
  }

  /**
   * Gives it up once the app has finished what it has, or the milliseconds have passed: another replica begins with what
   * is not acknowledged.
   */
  async leave(deadline = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#state === "asking") return this.#toIdle();
    if (this.#state !== "held" && this.#state !== "taking over") return;
    this.#state = "leaving";
    // Those that came are the next one's.
    this.#pulls?.stop();
    this.#returnArrivals();
    this.#tenure.abort();
    const tenure = this.#tenure;
    if (this.#events.size > 0) await this.#finished(deadline);
    // Lost meanwhile.
    if (this.#tenure !== tenure || this.#state !== "leaving") return;
    try {
      await this.flush();
      const { names, times } = this.#options;
      if (this.#link !== undefined)
        await handOver(this.#link, names, this.number, times, this.#pin);
    } catch (error) {
      const facts = { partition: this.number, reason: messageOf(error) };
      this.#options.logger.debug(facts, "a partition of the relay could not be handed over");
    }
    if (this.#tenure === tenure) this.#toIdle();
  }

  /** What was handled is acknowledged once this resolves. */
  flush(): Promise<void> {
    return this.#acknowledgements.flush();
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#toIdle();
    this.#link = undefined;
  }

  #begin(link: RelayLink): void {
    const { names, partition } = this.#options;
    this.#tenure = new AbortController();
    this.#pin = "";
    this.#awaitsFirst = false;
    this.#pulls = new Pulls({
      ...{ link, names, partition },
      received: (message) => this.#received(message),
      ended: () => this.#pull(),
      late: (message) => void this.#giveBack(link, message).catch(() => {}),
      unpinned: () => this.#lose(anothers),
      gone: (reason) => void this.#gone(link, reason),
    });
  }

  /** The server pinned this replica before it knew that it asks no more. */
  async #giveBack(link: RelayLink, message: Msg): Promise<void> {
    const pin = message.headers?.get("Nats-Pin-Id") ?? "";
    if (this.#pin === pin || this.#leaving === pin) return;
    this.#leaving = pin;
    const { names, times } = this.#options;
    await handOver(link, names, this.number, times, pin);
  }

  #toIdle(): void {
    this.#pulls?.stop();
    this.#pulls = undefined;
    this.#validUntil = 0;
    this.#state = "idle";
    this.#returnArrivals();
    this.#events.forgetParts();
    this.#tenure.abort();
    this.#settled?.();
    this.#options.changed();
  }

  /** What the runtime has not got is the next one's. */
  #returnArrivals(): void {
    for (const { settle } of this.#arrivals.forget())
      settle({ outcome: "returned", reason: anothers, unattempted: true });
  }

  #lose(reason: string): void {
    if (this.#state === "idle") return;
    const wasAsking = this.#state === "asking";
    const facts = { partition: this.number, reason };
    if (!wasAsking) this.#options.logger.info(facts, "a partition of the relay was lost");
    this.#toIdle();
  }

  /** Whether it is still had; then for so long again. */
  async #confirm(): Promise<void> {
    const link = this.#link;
    if (this.#confirming || link === undefined) return;
    this.#confirming = true;
    const tenure = this.#tenure;
    const { names, times } = this.#options;
    const asked = performance.now();
    try {
      const info = await partitionInfo(link, names, this.number);
      if (tenure !== this.#tenure || (tenure.signal.aborted && this.#state !== "leaving")) return;
      if (info.pin !== this.#pin) return this.#lose(anothers);
      this.#validUntil = asked + times.valid;
      if (this.#state === "held") this.#arrivals.release();
    } catch {
      // The next beat asks again, or finds that the time is over.
    } finally {
      this.#confirming = false;
    }
  }

  async #gone(link: RelayLink, reason: string): Promise<void> {
    const { names, partition, times, logger } = this.#options;
    const pulls = this.#pulls;
    await delay(times.beat / 2, this.#tenure.signal);
    if (this.#pulls !== pulls || link.ended !== undefined) return;
    logger.debug({ partition, reason }, "the consumer of a partition of the relay is not there");
    this.#lose(reason);
    this.#options.missing();
    await useConsumer(link, names, partition, times).catch(() => {});
  }

  #received(message: Msg): void {
    const delivered = deliveredOf(message);
    if (delivered === undefined) return;
    if (this.#state === "asking") {
      void this.#acquired(message, delivered).catch((error: unknown) =>
        this.#lose(messageOf(error)),
      );
      return;
    }
    if (this.#awaitsFirst && delivered.consumerSequence !== 1) return;
    this.#awaitsFirst = false;
    if (this.#state === "held") this.#take(message, delivered);
    this.#pull();
  }

  /** The server has pinned this replica. */
  async #acquired(message: Msg, delivered: Delivered): Promise<void> {
    const { names, times, mayTake, changed, logger } = this.#options;
    const link = this.#link;
    const tenure = this.#tenure;
    if (link === undefined) return;
    const isWanted = mayTake();
    this.#state = "taking over";
    this.#pin = message.headers?.get("Nats-Pin-Id") ?? "";
    this.#pulls?.pinned(this.#pin);
    changed();
    if (!isWanted) return this.leave(0);
    const asked = performance.now();
    const info = await partitionInfo(link, names, this.number);
    if (this.#isOver(tenure)) return;
    if (info.pin !== this.#pin) return this.#lose(anothers);
    const first = delivered.consumerSequence;
    if (first === 1 || info.floor >= first - 1) {
      this.#validUntil = asked + times.valid;
      this.#state = "held";
      this.#take(message, delivered);
      return this.#pull();
    }
    // Whoever had it may not know yet that it has it no more.
    await delay(times.valid, tenure.signal);
    if (this.#isOver(tenure)) return;
    this.#awaitsFirst = true;
    await beginAgain(link, names, this.number, times);
    const askedAgain = performance.now();
    const after = await partitionInfo(link, names, this.number);
    if (this.#isOver(tenure)) return;
    if (after.pin !== this.#pin) return this.#lose(anothers);
    logger.info({ partition: this.number }, "a partition of the relay was taken over");
    this.#validUntil = askedAgain + times.valid;
    this.#state = "held";
    this.#pull();
  }

  #isOver(tenure: AbortController): boolean {
    return this.#tenure !== tenure || this.#state !== "taking over";
  }

  #take(message: Msg, delivered: Delivered): void {
    const { sequence, time, reply, deliveries } = delivered;
    if (this.#events.isOpen(delivered)) return;
    if (this.#events.wasHandled(sequence, time)) return this.#acknowledgements.handled([reply]);
    try {
      const part = readPart(message.data);
      const parts = this.#events.gather(delivered, part);
      // The rest of one that was handled: its first part was acknowledged.
      if (parts === "rest") return this.#acknowledgements.handled([reply]);
      if (parts === undefined) return;
      if (deliveries > 1) this.#options.redelivered();
      this.#enter(parts, delivered);
    } catch (error) {
      const { logger } = this.#options;
      logger.error(
        { partition: this.number, event: String(sequence), reason: messageOf(error) },
        "a message of the relay is dropped",
      );
      this.#acknowledgements.handled([reply]);
    }
  }

  #enter(
    parts: readonly { readonly delivered: Delivered; readonly bytes: Uint8Array }[],
    { deliveries }: Delivered,
  ): void {
    const { times, names } = this.#options;
    const relayed = readEvent(parts.map(({ bytes }) => bytes));
    const open = this.#events.open(parts.map(({ delivered }) => delivered));
    const event: InboundEvent = {
      ...relayed,
      id: relayed.id ?? `${names.stream}-${open.sequence}-${open.time}`,
      attempt: deliveries,
      revoked: this.#tenure.signal,
      isHeld: () => this.#mayDispatch(),
      lease: { duration: times.ackWait, extend: () => this.#acknowledgements.extend(open.replies) },
      settle: (settlement) => this.#settle(open, settlement),
    };
    this.#arrivals.add(event);
    // A beat confirms it in time once there is something to deliver.
    if (this.#validUntil - performance.now() > times.valid / 2) this.#arrivals.release();
    else void this.#confirm();
  }

  /** Looked at before each dispatch. What has run out is returned at once. */
  #mayDispatch(): boolean {
    if (this.isValid) return true;
    if (this.#state !== "idle") this.#lose(unconfirmed);
    return false;
  }

  #settle(open: OpenEvent, settlement: Settlement): void {
    if (settlement.outcome === "handled") {
      this.#events.handled(open);
      this.#acknowledgements.handled(open.replies);
    } else {
      this.#events.returned(open);
      if (this.#state === "held" && !this.#tenure.signal.aborted)
        this.#acknowledgements.again(open.replies, settlement.after ?? 0);
    }
    if (this.#events.size === 0) this.#settled?.();
    this.#pull();
  }

  /** Asks for what there is room for. */
  #pull(): void {
    const pulls = this.#pulls;
    if (pulls === undefined) return;
    if (this.#state === "asking") {
      if (pulls.outstanding === 0) pulls.ask(1);
      return;
    }
    if (this.#state !== "held" || this.#arrivals.isWaiting) return;
    const window = this.#options.window();
    const room = window - this.#events.messages - pulls.outstanding;
    const missing = this.#events.missing - pulls.outstanding;
    if (missing > 0) pulls.ask(Math.max(missing, room));
    else if (pulls.outstanding === 0 || room * 2 >= window) pulls.ask(room);
  }

  /** Resolves once nothing of it is open, or the time has passed. */
  #finished(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(deadline)
        ? setTimeout(() => this.#settled?.(), deadline)
        : undefined;
      this.#settled = () => {
        clearTimeout(timer);
        this.#settled = undefined;
        resolve();
      };
    });
  }
}
