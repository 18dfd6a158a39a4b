import type { InboundEvent } from "../binding.ts";
import { messageOf } from "../errors.ts";
import { longestTimer } from "../metadata/duration.ts";
import type { Outcome, Reply } from "./app.ts";
import { ask, completeFanOut, noteRefusal, settle, takes } from "./attempt.ts";
import { usualMaxInFlight, type DeliveryOptions } from "./delivery-options.ts";
import { handledSettlement, keyOf, Lane, type Entry } from "./lane.ts";
import { ReadyLanes } from "./ready-lanes.ts";
import { traceOf } from "./trace.ts";
import { Window } from "./window.ts";

const takenBack = { outcome: "returned", reason: "its source took it back" } as const;
/** How long an app that was reached and took nothing is left alone, in milliseconds. */
const breath = 50;

/**
 * The way in of one component: batches from the source go through a window into lanes by key, from
 * each lane in order to the app, and are settled exactly once. An app that promises to keep the order
 * itself has several events of a lane at one time, any other has one.
 *
 * An event that is not handled waits in its own lane, with growing pauses, and holds up no other key:
 * once all that was sent of the lane has come back, the lane begins again from it, in a new epoch.
 * Nothing is dropped: what is unsettled at the end is returned to the source.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #windows = new Map<string, Window>();
  readonly #all = new Set<Lane>();
  readonly #ready = new ReadyLanes();
  /** Events that could be dispatched and are not yet: what room for more is measured by. */
  #queued = 0;
  #parked = 0;
  #inFlight = 0;
  #handled = 0;
  #failedAttempts = 0;
  #stopped = false;
  #abandoned = 0;
  #toldCredit: number;
  #roomWaiting: (() => void)[] = [];
  #idleWaiting: (() => void)[] = [];
  #abort = new AbortController();
  /** Set while nothing is dispatched for a moment, after the app took no more. */
  #hold: NodeJS.Timeout | undefined;
  readonly #unsubscribe: (() => void)[];

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#toldCredit = this.#maxInFlight;
    const { app } = options;
    this.#unsubscribe = [app.onAvailability(this.#pumpAgain)];
    if (app.intake !== undefined) this.#unsubscribe.push(app.intake.onRoom(this.#pumpAgain));
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
    if (window.full) await window.room();
    while (this.#queued >= this.#maxInFlight && !this.#stopped) {
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
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const lane of this.#all) if (lane.out === 0) this.#returnLane(lane, "the runtime stops");
    this.#wake();
    if (this.#inFlight > 0) {
      const giveUp = (): void => {
        this.#abandoned = this.#inFlight;
        this.#abort.abort(new Error("the time for stopping has passed"));
      };
      const timer = Number.isFinite(deadline)
        ? setTimeout(giveUp, Math.min(deadline, longestTimer))
        : undefined;
      await new Promise<void>((resolve) => this.#idleWaiting.push(resolve));
      clearTimeout(timer);
    }
    return { abandoned: this.#abandoned };
  }

  get #maxInFlight(): number {
    const { maxInFlight, app } = this.#options;
    return maxInFlight ?? app.intake?.maxInFlight ?? usualMaxInFlight;
  }

  #enter(event: InboundEvent, window: Window): void {
    const entry: Entry = {
      event,
      trace: traceOf(event),
      window,
      bytes: event.data?.length ?? 0,
      label: event.id,
      since: Date.now(),
      settled: false,
      failed: 0,
      lastError: undefined,
      pause: undefined,
      kept: undefined,
      waiting: false,
    };
    window.enter(entry);
    if (this.#stopped) return this.#return(entry, "the runtime stops");
    const { withdrawn } = event;
    if (withdrawn?.aborted) return this.#return(entry, takenBack.reason);
    const key = keyOf(event, this.#options.orderKey);
    let lane = key === undefined ? undefined : this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key);
      if (key !== undefined) this.#lanes.set(key, lane);
      this.#all.add(lane);
    }
    lane.entries.push(entry);
    if (withdrawn !== undefined) {
      const heeding = lane;
      withdrawn.addEventListener("abort", () => this.#withdraw(heeding, entry), { once: true });
    }
    if (lane.place === "parked") this.#parked++;
    else this.#queued++;
    this.#list(lane);
  }

  /** Returns an event that its source takes back, unless the app has it: then its answer decides. */
  #withdraw(lane: Lane, entry: Entry): void {
    if (lane.entries.indexOf(entry) < lane.sent) return;
    lane.remove(entry);
    if (lane.place === "parked") this.#parked--;
    else this.#queued--;
    this.#return(entry, takenBack.reason);
    if (this.#queued < this.#maxInFlight) this.#wake();
    if (lane.entries.length > 0) return;
    this.#forget(lane);
    this.#tellCredit();
  }

  readonly #pumpAgain = (): void => {
    this.#ready.listAside();
    this.#tellCredit();
    this.#pump();
  };

  #pump(): void {
    const { app, concurrency } = this.#options;
    const limit = this.#maxInFlight;
    while (!this.#stopped && this.#hold === undefined && this.#inFlight < limit) {
      const lane = this.#ready.first;
      if (lane === undefined) break;
      const entry = lane.ending ? undefined : lane.entries[lane.sent];
      if (entry === undefined) {
        this.#ready.shift();
        continue;
      }
      if (entry.kept === undefined) {
        if (!app.available) break;
        const taking = takes(app, lane);
        if (taking === "full") break;
        if (taking === "lane waits") {
          this.#ready.putAside();
          continue;
        }
        if (!concurrency.take(this.#pumpAgain)) break;
      }
      this.#ready.shift();
      this.#queued--;
      this.#inFlight++;
      lane.sent++;
      lane.out++;
      this.#list(lane);
      if (entry.kept === undefined) void this.#attempt(lane, entry);
      else void this.#fanOut(lane, entry, entry.kept);
    }
    if (this.#queued < limit) this.#wake();
  }

  /** Puts a lane in line when it has something to dispatch. */
  #list(lane: Lane): void {
    if (lane.place !== "idle" || lane.ending || lane.undispatched === 0) return;
    if (lane.out > 0 && this.#options.app.intake === undefined) return;
    this.#ready.push(lane);
  }

  async #attempt(lane: Lane, entry: Entry): Promise<void> {
    const { concurrency, observer, name } = this.#options;
    const started = performance.now();
    let outcome: Outcome;
    try {
      outcome = await ask(this.#options, lane, entry, this.#abort.signal);
    } catch (error) {
      // No field of an event may take the runtime down: what the app's side throws is that event's failure.
      outcome = { kind: "refused", reason: messageOf(error) };
    }
    concurrency.release();
    observer.attempted(name, outcome.kind, performance.now() - started);
    if (outcome.kind === "handled") {
      const { reply } = outcome;
      try {
        const fanOut = this.#options.fanOut(reply);
        if (fanOut.steps.length > 0) {
          entry.kept = { reply, fanOut };
          return await this.#fanOut(lane, entry, entry.kept);
        }
      } catch (error) {
        outcome = { kind: "refused", reason: messageOf(error) };
      }
    }
    this.#conclude(lane, entry, outcome);
  }

  /** Does what the kept reply asks for, once that is done for all earlier events of the lane. */
  async #fanOut(lane: Lane, entry: Entry, kept: NonNullable<Entry["kept"]>): Promise<void> {
    if (lane.entries[0] === entry) {
      this.#conclude(lane, entry, await completeFanOut(kept, this.#abort.signal));
    } else if (lane.ending) this.#conclude(lane, entry, { kind: "not attempted" });
    else entry.waiting = true;
  }

  #conclude(lane: Lane, entry: Entry, outcome: Outcome): void {
    this.#inFlight--;
    lane.out--;
    if (outcome.kind === "handled") this.#handledBy(lane, entry, outcome.reply);
    else if (outcome.kind === "dropped") this.#dropped(lane, entry, outcome.reason);
    else {
      lane.ending = true;
      if (outcome.kind === "refused") this.#refused(entry, outcome);
    }
    if (lane.ending) {
      for (const one of lane.entries) if (one.waiting) this.#putBack(lane, one);
      if (lane.out === 0) this.#beginAgain(lane, "reason" in outcome ? outcome.reason : "");
    } else if (this.#stopped && lane.out === 0) this.#returnLane(lane, "the runtime stops");
    else if (lane.entries.length === 0) this.#forget(lane);
    else this.#goOn(lane);
    this.#pump();
    if (this.#inFlight === 0) for (const wake of this.#idleWaiting.splice(0)) wake();
  }

  #goOn(lane: Lane): void {
    const [first] = lane.entries;
    if (first?.waiting && first.kept !== undefined) {
      first.waiting = false;
      void this.#fanOut(lane, first, first.kept);
    }
    if (lane.place === "aside") this.#ready.takeUp(lane);
    this.#list(lane);
  }

  /** Its reply is kept, so that the app is not asked again. */
  #putBack(lane: Lane, entry: Entry): void {
    entry.waiting = false;
    this.#inFlight--;
    lane.out--;
  }

  #handledBy(lane: Lane, entry: Entry, reply: Reply | undefined): void {
    this.#handled++;
    lane.remove(entry);
    settle(entry, handledSettlement(reply), this.#options.logger);
  }

  #dropped(lane: Lane, entry: Entry, reason: string): void {
    this.#options.logger.warn({ event: entry.event.id, reason }, "event dropped, as the app says");
    this.#handledBy(lane, entry, undefined);
  }

  #refused(entry: Entry, outcome: Outcome & { kind: "refused" }): void {
    entry.failed++;
    entry.lastError = outcome.reason;
    this.#failedAttempts++;
    if (!this.#stopped && !entry.event.withdrawn?.aborted)
      noteRefusal(entry, outcome, this.#options);
  }

  /** All that was sent of the lane has come back: it begins anew from its first unhandled event. */
  #beginAgain(lane: Lane, reason: string): void {
    lane.ending = false;
    lane.epoch = (lane.epoch + 1) >>> 0;
    this.#queued += lane.sent;
    lane.sent = 0;
    if (this.#stopped) return this.#returnLane(lane, reason);
    let pause: number | undefined;
    for (const entry of [...lane.entries]) {
      if (entry.event.withdrawn?.aborted) {
        lane.remove(entry);
        this.#queued--;
        this.#return(entry, entry.lastError ?? reason);
      } else if (entry.pause !== undefined) {
        pause = Math.max(pause ?? 0, entry.pause);
        entry.pause = undefined;
      }
    }
    if (lane.entries.length === 0) return this.#forget(lane);
    if (pause !== undefined) return this.#park(lane, pause);
    // Nothing of it was attempted: the app's availability, or a short pause, starts it again.
    if (lane.place === "aside") this.#ready.takeUp(lane);
    this.#ready.putFirst(lane);
    if (!this.#options.app.available || this.#hold !== undefined) return;
    this.#hold = setTimeout(() => {
      this.#hold = undefined;
      this.#pump();
    }, breath);
  }

  #park(lane: Lane, pause: number): void {
    this.#ready.remove(lane);
    lane.place = "parked";
    this.#queued -= lane.entries.length;
    this.#parked += lane.entries.length;
    lane.timer = setTimeout(
      () => {
        lane.timer = undefined;
        lane.place = "idle";
        this.#parked -= lane.entries.length;
        this.#queued += lane.entries.length;
        this.#list(lane);
        this.#tellCredit();
        this.#pump();
      },
      Math.min(pause, longestTimer),
    );
    this.#tellCredit();
  }

  #returnLane(lane: Lane, reason: string): void {
    if (lane.place === "parked") this.#parked -= lane.entries.length;
    else this.#queued -= lane.undispatched;
    for (const entry of lane.entries.splice(0)) this.#return(entry, entry.lastError ?? reason);
    this.#forget(lane);
  }

  #forget(lane: Lane): void {
    clearTimeout(lane.timer);
    this.#ready.remove(lane);
    this.#all.delete(lane);
    if (lane.key !== undefined) this.#lanes.delete(lane.key);
  }

  #return(entry: Entry, reason: string): void {
    settle(entry, { outcome: "returned", reason }, this.#options.logger);
  }

  #tellCredit(): void {
    const credit = this.#maxInFlight + this.#parked;
    if (credit === this.#toldCredit) return;
    this.#toldCredit = credit;
    this.#options.onCredit(credit);
  }

  #wake(): void {
    if (this.#roomWaiting.length === 0) return;
    for (const wake of this.#roomWaiting.splice(0)) wake();
  }
}
