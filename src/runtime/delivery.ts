import type { InboundEvent, Logger } from "../binding.ts";
import { messageOf } from "../errors.ts";
import { pauseAfter, type RetryPolicy } from "../policy/retry.ts";
import type { App, Outcome, Reply } from "./app.ts";
import type { Concurrency } from "./concurrency.ts";
import { runFanOut, type FanOut } from "./fan-out.ts";
import type { Observer } from "./observer.ts";
import { handledSettlement, keyOf, type Entry, type Lane } from "./lane.ts";
import { traceOf } from "./trace.ts";
import { Window } from "./window.ts";

export type DeliveryOptions = {
  /** The component's name. */
  readonly name: string;
  readonly route: string;
  readonly app: App;
  readonly policy: RetryPolicy;
  readonly maxInFlight: number;
  readonly orderKey: string;
  readonly concurrency: Concurrency;
  readonly logger: Logger;
  readonly observer: Observer;
  /** What a reply asks to be done before its event counts as handled. */
  readonly fanOut: (reply: Reply | undefined) => FanOut;
  /** Told how many unsettled events the source may have handed out. */
  readonly onCredit: (events: number) => void;
};

const takenBack = { outcome: "returned", reason: "its source took it back" } as const;

/**
 * The way in of one component: batches from the source go through a window into lanes by key, from
 * each lane one event at a time to the app, and are settled exactly once.
 *
 * An event that is not handled waits in its own lane, with growing pauses, and holds up no other key.
 * Nothing is dropped: what is unsettled at the end is returned to the source.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #windows = new Map<string, Window>();
  readonly #all = new Set<Lane>();
  #ready: Lane[] = [];
  #readyHead = 0;
  /** Events that could be dispatched and are not yet: what room for more is measured by. */
  #queued = 0;
  #parked = 0;
  #inFlight = 0;
  #handled = 0;
  #failedAttempts = 0;
  #stopped = false;
  #abandoned = 0;
  #roomWaiting: (() => void)[] = [];
  #idleWaiting: (() => void)[] = [];
  #abort = new AbortController();
  /** Set while nothing is dispatched for a moment, after the app took no more. */
  #hold: NodeJS.Timeout | undefined;
  readonly #unsubscribe: () => void;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#unsubscribe = options.app.onAvailability(this.#pumpAgain);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#queued + this.#parked;
  }

  get handled(): number {
    return this.#handled;
  }

  get failedAttempts(): number {
    return this.#failedAttempts;
  }

  /** The event at which a full window stands still, if one does. */
  get heldBy(): { label: string; since: Date } | undefined {
    for (const window of this.#windows.values()) if (window.full) return window.oldest;
    return undefined;
  }

  /** Takes events in and resolves when there is room for more of this source. */
  async deliver(events: readonly InboundEvent[], source = ""): Promise<void> {
    let window = this.#windows.get(source);
    if (window === undefined) this.#windows.set(source, (window = new Window()));
    for (const event of events) this.#enter(event, window);
    this.#pump();
    await window.room();
    while (this.#queued >= this.#options.maxInFlight && !this.#stopped) {
      await new Promise<void>((resolve) => this.#roomWaiting.push(resolve));
    }
  }

  /**
   * Dispatches nothing more, returns what the app does not have, and resolves when the app has
   * answered the rest or `deadline` milliseconds have passed; what is left then is returned too.
   */
  async drain(deadline: number): Promise<{ abandoned: number }> {
    this.#stopped = true;
    clearTimeout(this.#hold);
    this.#unsubscribe();
    for (const lane of this.#all)
      if (lane.state !== "busy") this.#returnLane(lane, "the runtime stops", lane.entries.length);
    this.#wake();
    if (this.#inFlight > 0) {
      const giveUp = (): void => {
        this.#abandoned = this.#inFlight;
        this.#abort.abort(new Error("the time for stopping has passed"));
      };
      const timer = Number.isFinite(deadline) ? setTimeout(giveUp, deadline) : undefined;
      await new Promise<void>((resolve) => this.#idleWaiting.push(resolve));
      clearTimeout(timer);
    }
    return { abandoned: this.#abandoned };
  }

  #enter(event: InboundEvent, window: Window): void {
    const leaveWindow = window.enter(event.data?.length ?? 0, event.id ?? "an event without id");
    const entry: Entry = {
      event,
      trace: traceOf(event),
      leaveWindow,
      failed: 0,
      lastError: undefined,
      kept: undefined,
    };
    if (this.#stopped) {
      this.#settle(entry, () => event.settle({ outcome: "returned", reason: "the runtime stops" }));
      return;
    }
    if (event.withdrawn?.aborted) {
      this.#settle(entry, () => event.settle(takenBack));
      return;
    }
    const key = keyOf(event, this.#options.orderKey);
    const before = key === undefined ? undefined : this.#lanes.get(key);
    if (before !== undefined) {
      before.entries.push(entry);
      this.#heedWithdrawal(before, entry);
      if (before.state === "parked") this.#parked++;
      else this.#queued++;
      return;
    }
    const lane: Lane = { key, entries: [entry], state: "ready", timer: undefined };
    if (key !== undefined) this.#lanes.set(key, lane);
    this.#all.add(lane);
    this.#heedWithdrawal(lane, entry);
    this.#queued++;
    this.#ready.push(lane);
  }

  #heedWithdrawal(lane: Lane, entry: Entry): void {
    const { withdrawn } = entry.event;
    withdrawn?.addEventListener("abort", () => this.#withdraw(lane, entry), { once: true });
  }

  /** Returns an event that its source takes back, unless the app has it: then its answer decides. */
  #withdraw(lane: Lane, entry: Entry): void {
    const index = lane.entries.indexOf(entry);
    if (index < 0 || (index === 0 && lane.state === "busy")) return;
    lane.entries.splice(index, 1);
    if (lane.state === "parked") this.#parked--;
    else this.#queued--;
    this.#settle(entry, () => entry.event.settle(takenBack));
    if (this.#queued < this.#options.maxInFlight) this.#wake();
    if (lane.entries.length > 0) return;
    clearTimeout(lane.timer);
    this.#forget(lane);
    this.#tellCredit();
  }

  #pump(): void {
    while (
      !this.#stopped &&
      this.#hold === undefined &&
      this.#inFlight < this.#options.maxInFlight
    ) {
      const lane = this.#ready[this.#readyHead];
      if (lane === undefined) break;
      const entry = lane.entries[0];
      if (entry === undefined) {
        // Its only event was withdrawn.
        this.#readyHead++;
        continue;
      }
      if (entry.kept === undefined) {
        if (!this.#options.app.available) break;
        if (!this.#options.concurrency.take(this.#pumpAgain)) break;
      }
      this.#readyHead++;
      this.#queued--;
      this.#inFlight++;
      lane.state = "busy";
      void this.#attempt(lane, entry);
    }
    if (this.#readyHead > 256 && this.#readyHead * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#readyHead);
      this.#readyHead = 0;
    }
    if (this.#queued < this.#options.maxInFlight) this.#wake();
  }

  readonly #pumpAgain = (): void => this.#pump();

  async #attempt(lane: Lane, entry: Entry): Promise<void> {
    const { app, concurrency, observer, name } = this.#options;
    let outcome: Outcome;
    if (entry.kept === undefined) {
      const started = performance.now();
      outcome = await this.#ask(app, entry);
      concurrency.release();
      observer.attempted(name, outcome.kind, performance.now() - started);
    } else {
      outcome = { kind: "handled", reply: entry.kept.reply };
    }
    if (outcome.kind === "handled") outcome = await this.#fanOut(entry, outcome.reply);
    this.#inFlight--;
    if (outcome.kind === "handled") this.#handledBy(lane, entry, outcome.reply);
    else if (outcome.kind === "unsent") this.#tryAgainSoon(lane, entry, outcome.reason);
    else this.#park(lane, entry, outcome.reason);
    this.#pump();
    if (this.#inFlight === 0) for (const wake of this.#idleWaiting.splice(0)) wake();
  }

  async #ask(app: App, entry: Entry): Promise<Outcome> {
    const { name, route, policy } = this.#options;
    const { event } = entry;
    try {
      return await app.deliver(
        {
          name,
          route,
          data: event.data,
          metadata: event.metadata,
          headers: event.headers,
          trace: entry.trace,
          attempt: entry.failed + 1,
          attempts: Number.isFinite(policy.attempts) ? policy.attempts : undefined,
          lastError: entry.lastError,
        },
        this.#abort.signal,
      );
    } catch (error) {
      // No field of an event may take the runtime down: what the app's side throws is that event's failure.
      return { kind: "refused", reason: messageOf(error) };
    }
  }

  async #fanOut(entry: Entry, reply: Reply | undefined): Promise<Outcome> {
    try {
      const fanOut = entry.kept?.fanOut ?? this.#options.fanOut(reply);
      if (fanOut.steps.length > 0) {
        const { remaining, reason } = await runFanOut(fanOut, this.#abort.signal);
        const { concurrency } = fanOut;
        entry.kept =
          remaining.length === 0 ? undefined : { reply, fanOut: { steps: remaining, concurrency } };
        if (remaining.length > 0) return { kind: "refused", reason };
      }
      return { kind: "handled", reply };
    } catch (error) {
      return { kind: "refused", reason: messageOf(error) };
    }
  }

  #handledBy(lane: Lane, entry: Entry, reply: Reply | undefined): void {
    this.#handled++;
    lane.entries.shift();
    const settlement = handledSettlement(reply);
    this.#settle(entry, () => entry.event.settle(settlement));
    if (this.#stopped) this.#returnLane(lane, "the runtime stops", lane.entries.length);
    else if (lane.entries.length === 0) this.#forget(lane);
    else this.#makeReady(lane);
  }

  /** The request was not written: no attempt. The app's availability, or a short pause, starts it again. */
  #tryAgainSoon(lane: Lane, entry: Entry, reason: string): void {
    if (this.#stopped) return this.#returnLane(lane, reason);
    if (entry.event.withdrawn?.aborted) return this.#returnFirst(lane, entry, reason);
    lane.state = "ready";
    this.#queued++;
    this.#ready.splice(0, this.#readyHead, lane);
    this.#readyHead = 0;
    if (!this.#options.app.available || this.#hold !== undefined) return;
    // The app was reached and took no more for the moment (a full connection): let it breathe.
    this.#hold = setTimeout(() => {
      this.#hold = undefined;
      this.#pump();
    }, 50);
  }

  #park(lane: Lane, entry: Entry, reason: string): void {
    const { policy, logger } = this.#options;
    entry.failed++;
    entry.lastError = reason;
    this.#failedAttempts++;
    if (this.#stopped) return this.#returnLane(lane, reason);
    if (entry.event.withdrawn?.aborted) return this.#returnFirst(lane, entry, reason);
    const exhausted = entry.failed >= policy.attempts;
    const pause = exhausted ? policy.max : pauseAfter(policy, entry.failed);
    const facts = {
      event: entry.event.id,
      attempt: entry.failed,
      reason,
      pause: Math.round(pause),
    };
    if (exhausted)
      logger.error(
        facts,
        "event not handled, its attempts are used up; it stays and is tried again",
      );
    else logger.warn(facts, "event not handled; it is tried again after a pause");
    lane.state = "parked";
    this.#queued -= lane.entries.length - 1;
    this.#parked += lane.entries.length;
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      this.#parked -= lane.entries.length;
      this.#queued += lane.entries.length - 1;
      this.#makeReady(lane, true);
      this.#tellCredit();
      this.#pump();
    }, pause);
    this.#tellCredit();
  }

  /** Returns the event that was with the app, and goes on with the next of its key. */
  #returnFirst(lane: Lane, entry: Entry, reason: string): void {
    lane.entries.shift();
    this.#settle(entry, () => entry.event.settle({ outcome: "returned", reason }));
    if (lane.entries.length === 0) this.#forget(lane);
    else this.#makeReady(lane);
  }

  /** Puts a lane in line. Its later events are counted already; its first one is when it comes back from its pause. */
  #makeReady(lane: Lane, fromPause = false): void {
    lane.state = "ready";
    if (fromPause) this.#queued++;
    this.#ready.push(lane);
  }

  /** `counted`: how many of its events are in the counters; the one that was with the app is not. */
  #returnLane(lane: Lane, reason: string, counted = lane.entries.length - 1): void {
    clearTimeout(lane.timer);
    if (lane.state === "parked") this.#parked -= counted;
    else this.#queued -= counted;
    for (const entry of lane.entries.splice(0)) {
      const why = entry.lastError ?? reason;
      this.#settle(entry, () => entry.event.settle({ outcome: "returned", reason: why }));
    }
    this.#forget(lane);
  }

  #forget(lane: Lane): void {
    this.#all.delete(lane);
    if (lane.key !== undefined) this.#lanes.delete(lane.key);
  }

  #settle(entry: Entry, settle: () => void): void {
    try {
      settle();
    } catch (error) {
      this.#options.logger.error(
        { event: entry.event.id, reason: messageOf(error) },
        "an event could not be settled",
      );
    }
    entry.leaveWindow();
  }

  #tellCredit(): void {
    this.#options.onCredit(this.#options.maxInFlight + this.#parked);
  }

  #wake(): void {
    for (const wake of this.#roomWaiting.splice(0)) wake();
  }
}
