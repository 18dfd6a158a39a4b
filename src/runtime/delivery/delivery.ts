import { clock, type Timer } from "../../clock.ts";
import type { InboundEvent } from "../../binding.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { DeadLetter } from "../../store/records.ts";
import type { Outcome } from "../app.ts";
import { attempt, completeFanOut, takes, type Answered } from "./attempt.ts";
import { BreakerGate } from "./breaker-gate.ts";
import { Deduplication } from "./deduplication.ts";
import { mostInFlight, type DeliveryOptions } from "./delivery-options.ts";
import { EventSettlement, type Conclusion, type Progress } from "./settlement.ts";
import type { Entry, Exhausted } from "./entry.ts";
import type { EventCounts } from "./event-counts.ts";
import { disposalPause, Exhaustion, type Blockage } from "./exhaustion.ts";
import { isFenced, isRevoked } from "./fenced.ts";
import { OwnLoop } from "./loops.ts";
import { keyOf, type Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { Preparation } from "./preparation.ts";
import { deliversNothing, redrivenEvent, type Redriven } from "./redrive.ts";
import { Revocation } from "./revocation.ts";
import { enter } from "./traced.ts";
import { Unfinished } from "./unfinished.ts";
import { Waiters } from "../waiters.ts";
import { Windows, type Window } from "./window.ts";

const stopping = "the runtime stops";
/** How long an app that was reached and took nothing is left alone, in milliseconds. */
const unsentPause = 50;

/**
 * The way in of one component: batches from the source go through a window into lanes by key, from
 * each lane in order to the app, and are settled exactly once. An app that promises to keep the order
 * itself has several events of a lane at one time, any other has one.
 *
 * An event that is not handled waits in its own lane, with growing pauses, and holds up no other key:
 * once all that was sent of the lane has come back, the lane begins again from it, in a new epoch. One whose
 * attempts are used up goes where its component sends it, and the lane goes on once it is safely there.
 * Nothing is dropped: what is unsettled at the end is returned to the source.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #lanes: Lanes;
  readonly #windows: Windows;
  readonly #exhaustion: Exhaustion;
  readonly #revocation: Revocation;
  readonly #settlement: EventSettlement;
  readonly #preparation: Preparation;
  /** The events that have not ended. */
  readonly unfinished: Unfinished;
  #inFlight = 0;
  #delivered = 0;
  #stopped = false;
  #halted = false;
  #abandoned = 0;
  #toldCredit: number;
  readonly #room = new Waiters();
  readonly #idle = new Waiters();
  #abort = new AbortController();
  /** Set while nothing is dispatched for a moment, after the app took no more. */
  #hold: Timer | undefined;
  /** The loop that feeds the component. */
  readonly loop: OwnLoop;
  readonly #gate = new BreakerGate(() => this.#pumpAgain());
  readonly #unsubscribe: (() => void)[];

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#windows = new Windows(options.memory);
    this.#toldCredit = this.maxInFlight;
    this.loop = new OwnLoop(options.name, options.loops, options.logger);
    this.#lanes = new Lanes(options.app.intake !== undefined);
    const { app, counts } = options;
    const deduplication = Deduplication.of(options);
    this.#exhaustion = new Exhaustion(options, counts);
    this.#revocation = new Revocation(options, {
      lanes: this.#lanes,
      returnEvent: (entry, reason) => this.#return(entry, reason),
      onReturned: () => {
        if (this.#lanes.queued < this.maxInFlight) this.#room.wake();
        this.#tellCredit();
      },
    });
    this.#preparation = new Preparation(counts, deduplication);
    const parts = { counts, deduplication, exhaustion: this.#exhaustion };
    this.#settlement = new EventSettlement(options, { ...parts, revocation: this.#revocation });
    this.unfinished = new Unfinished(options, {
      ...{ lanes: this.#lanes, exhaustion: this.#exhaustion },
      ...{ closed: () => this.#gate.blockage, halted: () => this.#halted },
    });
    this.#unsubscribe = [app.onAvailability(this.#pumpAgain), options.onPolicy(this.#gate.renew)];
    if (app.intake !== undefined) this.#unsubscribe.push(app.intake.onRoom(this.#pumpAgain));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#lanes.queued + this.#lanes.parked;
  }

  get counts(): EventCounts {
    return this.#settlement.counts;
  }

  /** For whoever watches whether it goes on. */
  get progress(): Progress {
    const { settled, lastSettledAt } = this.#settlement;
    return { delivered: this.#delivered, settled, lastSettledAt, oldest: this.#windows.oldest };
  }

  /** The event at which a full window stands still, if one does. */
  get heldBy(): { label: string; since: Date } | undefined {
    return this.#windows.heldBy;
  }

  /** Why events stand still though the app is there; `undefined`: they do not. */
  get blockage(): Blockage | undefined {
    return this.#exhaustion.blockage ?? this.#gate.blockage;
  }

  /** Takes events in and resolves when there is room for more of this source. */
  async deliver(events: readonly InboundEvent[], source = ""): Promise<void> {
    const window = this.#windows.of(source);
    for (const event of events) this.#enter(event, window, undefined);
    if (faultPoints) reach("event received");
    this.#pump();
    if (window.full) await window.room();
    while ((this.#lanes.queued >= this.maxInFlight || this.#windows.full) && !this.#stopped)
      await this.#room.next();
  }

  /**
   * Delivers a dead letter's event with fresh attempts, behind what its key has waiting. Exhausted once more, it is
   * put back as the same dead letter. Resolves once it is handled, which leaves removing the dead letter to the caller,
   * or once it is not. Rejects with a `BindingError` where nothing is delivered.
   */
  redrive(deadLetter: DeadLetter, signal?: AbortSignal): Promise<Redriven> {
    if (this.#stopped || this.#halted) return deliversNothing(this.#options.name);
    return new Promise((resolve) => {
      const event = redrivenEvent(deadLetter, signal, resolve);
      this.#enter(event, this.#windows.of("redriven dead letters"), deadLetter);
      this.#pump();
    });
  }

  /** A dead letter of the component is no more: see {@link AttemptCounts.deadLetterRemoved}. */
  deadLetterRemoved(deadLetter: DeadLetter): void {
    this.#options.counts.deadLetterRemoved(deadLetter);
  }

  /**
   * Dispatches nothing more, returns what the app does not have, and resolves when the app has
   * answered the rest or `deadline` milliseconds have passed; what is left then is returned too.
   */
  async drain(deadline: number): Promise<{ abandoned: number }> {
    this.#stopped = true;
    clock.clearTimeout(this.#hold);
    this.#gate.close();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const lane of this.#lanes.idle) this.#returnLane(lane, stopping);
    this.#room.wake();
    if (this.#inFlight > 0) {
      const abandon = (): void => {
        this.#abandoned = this.#inFlight;
        this.#abort.abort(new Error("the time for stopping has passed"));
      };
      const timer = clock.setTimeout(abandon, Math.min(deadline, longestTimer));
      await this.#idle.next();
      clock.clearTimeout(timer);
    }
    return { abandoned: this.#abandoned };
  }

  /** The most events that the app has at one time. */
  get maxInFlight(): number {
    return mostInFlight(this.#options);
  }

  #enter(event: InboundEvent, window: Window, redriven: DeadLetter | undefined): void {
    const entry = enter(this.#options, event, window, redriven);
    this.#delivered++;
    window.enter(entry);
    if (this.#stopped) return this.#return(entry, stopping);
    if (event.revoked?.aborted) return this.#return(entry, "revoked by its source");
    if (redriven === undefined) this.#preparation.recall(entry, this.#options.policy.retry);
    this.loop.enter(entry);
    const lane = this.#lanes.enter(entry, keyOf(event, this.#options.orderKey));
    this.#revocation.enter(lane, entry);
    if (entry.pause !== undefined && lane.entries.length === 1) this.#rest(lane);
  }

  readonly #pumpAgain = (): void => {
    this.#lanes.listAside();
    this.#tellCredit();
    this.#pump();
  };

  get #mayDispatch(): boolean {
    const isFree = !this.#stopped && !this.#halted && this.#hold === undefined;
    return isFree && !isFenced(this.#options);
  }

  #pump(): void {
    const limit = this.maxInFlight;
    while (this.#mayDispatch && this.#inFlight < limit) {
      const lane = this.#lanes.first;
      if (lane === undefined) break;
      const entry = lane.next;
      if (entry === undefined) {
        this.#lanes.shift();
        continue;
      }
      if (entry.needsApp) {
        const admitted = this.#admit(lane, entry);
        if (admitted === "none") break;
        if (admitted === "not this") continue;
      }
      this.#lanes.dispatched(lane);
      this.#dispatch(lane, entry);
    }
    if (this.#lanes.queued < limit) this.#room.wake();
  }

  /** Whether the first in line may go to the app; one that may not leaves the line, or nothing goes at all. */
  #admit(lane: Lane, entry: Entry): "this" | "not this" | "none" {
    const { app, concurrency, maxPerKey, policy } = this.#options;
    if (!app.available) return "none";
    const taking = isRevoked(entry) ? "lane waits" : takes(app, lane, maxPerKey);
    if (taking === "full") return "none";
    if (taking === "lane waits") {
      if (lane.next === entry) this.#lanes.putAside();
      return "not this";
    }
    if (this.#preparation.isNeeded(entry)) {
      this.#lanes.hold(lane);
      this.#preparation.begin(entry, () => {
        this.#lanes.release(lane);
        this.#pump();
      });
      return "not this";
    }
    const { breaker } = policy;
    if (breaker === undefined) return concurrency.take(this.#pumpAgain) ? "this" : "none";
    const pass = this.#gate.enter(breaker);
    if (pass === undefined) return "none";
    if (concurrency.take(this.#pumpAgain)) {
      entry.passed = (succeeded) => breaker.done(pass, succeeded);
      return "this";
    }
    breaker.done(pass, undefined);
    return "none";
  }

  /** Sends an event where it goes next, and puts its lane in line for the one behind it. */
  #dispatch(lane: Lane, entry: Entry): void {
    this.#inFlight++;
    if (entry.exhausted !== undefined) return void this.#dispose(lane, entry, entry.exhausted);
    this.#lanes.list(lane);
    if (entry.duplicate) queueMicrotask(() => this.#conclude(lane, entry, { kind: "duplicate" }));
    else if (entry.kept !== undefined) void this.#fanOut(lane, entry, entry.kept);
    else void attempt(this.#options, lane, entry, this.#abort.signal, this.#answered);
  }

  readonly #answered: Answered = (lane, entry, outcome) => {
    if (entry.kept !== undefined) void this.#fanOut(lane, entry, entry.kept);
    else if (entry.claim === undefined) this.#conclude(lane, entry, outcome);
    else void this.#complete(lane, entry, outcome);
  };

  /** Notes what becomes of a claimed event before its source hears of it. */
  async #complete(lane: Lane, entry: Entry, outcome: Outcome): Promise<void> {
    if (!isFenced(this.#options)) await this.#preparation.complete(entry, outcome);
    this.#conclude(lane, entry, outcome);
  }

  /** Does what the kept reply asks for, once that is done for all earlier events of the lane. */
  async #fanOut(lane: Lane, entry: Entry, kept: NonNullable<Entry["kept"]>): Promise<void> {
    if (lane.entries[0] === entry) {
      const outcome = await completeFanOut(this.#options, entry, kept, this.#abort.signal);
      await this.#complete(lane, entry, outcome);
    } else if (lane.ending) this.#conclude(lane, entry, { kind: "not attempted" });
    else entry.waiting = true;
  }

  #conclude(lane: Lane, entry: Entry, outcome: Conclusion): void {
    this.#inFlight--;
    lane.out--;
    if (!this.#settlement.conclude(lane, entry, outcome)) lane.ending = true;
    if (lane.ending) {
      this.#inFlight -= lane.putBackWaiting();
      if (lane.out === 0) this.#beginAgain(lane, "reason" in outcome ? outcome.reason : "");
    } else if (this.#stopped && lane.out === 0) this.#returnLane(lane, stopping);
    else if (lane.entries.length === 0) this.#lanes.forget(lane);
    else this.#goOn(lane);
    this.#afterwards();
  }

  #goOn(lane: Lane): void {
    const [first] = lane.entries;
    if (first?.waiting && first.kept !== undefined) {
      first.waiting = false;
      void this.#fanOut(lane, first, first.kept);
    }
    this.#lanes.goOn(lane);
  }

  /** Brings an exhausted event where its component sends it. Nothing else of its lane is out. */
  async #dispose(lane: Lane, entry: Entry, exhausted: Exhausted): Promise<void> {
    lane.ending = true;
    const disposal = await this.#exhaustion.dispose(entry, exhausted, this.#abort.signal);
    const isHandled = disposal.kind === "done" && disposal.settlement.outcome === "handled";
    if (isHandled && !isFenced(this.#options)) await this.#preparation.complete(entry);
    this.#inFlight--;
    lane.out--;
    if (disposal.kind === "done") {
      const { settlement, end } = disposal;
      lane.remove(entry);
      this.#settlement.end(entry, settlement, end);
    } else {
      entry.pause = Math.max(disposalPause, this.#options.policy.retry.max);
      if (disposal.kind === "halt") this.#halt(disposal.reason);
    }
    this.#beginAgain(lane, exhausted.reason, 0);
    this.#afterwards();
  }

  #halt(reason: string): void {
    if (this.#halted) return;
    this.#halted = true;
    this.#options.logger.error({ reason }, "attempts used up: the component halts until resumed");
    this.#options.onHalt(reason);
  }

  /**
   * All that was sent of the lane has come back: it begins anew from its first unhandled event. Where nothing asks
   * for a pause nothing was attempted: the app's availability starts it again, or a short pause.
   */
  #beginAgain(lane: Lane, reason: string, rest = unsentPause): void {
    this.#lanes.rewind(lane);
    this.#revocation.sweep(lane, reason);
    if (this.#stopped) return this.#endLane(lane, reason);
    if (lane.entries.length === 0) return this.#lanes.forget(lane);
    if (lane.mustDispose) return this.#lanes.listFirst(lane);
    if (this.#rest(lane)) return;
    this.#lanes.listFirst(lane);
    if (rest === 0 || !this.#options.app.available || this.#hold !== undefined) return;
    this.#hold = clock.setTimeout(() => {
      this.#hold = undefined;
      this.#pump();
    }, rest);
  }

  /** Leaves a lane alone for as long as its events ask for; false: they ask for nothing. */
  #rest(lane: Lane): boolean {
    const pause = lane.takePause();
    if (pause === undefined) return false;
    this.#lanes.park(lane, pause, () => {
      this.#tellCredit();
      this.#pump();
    });
    this.#tellCredit();
    return true;
  }

  /** At the end the app gets nothing more, but what it has refused for good goes where it belongs. */
  #endLane(lane: Lane, reason: string): void {
    for (const entry of [...lane.entries]) {
      if (entry.exhausted !== undefined && entry.pause === undefined) continue;
      this.#lanes.remove(lane, entry);
      this.#return(entry, entry.lastError ?? reason);
    }
    const [first] = lane.entries;
    if (first === undefined) return this.#lanes.forget(lane);
    this.#lanes.dispatched(lane);
    this.#dispatch(lane, first);
  }

  /** After something has come back. */
  #afterwards(): void {
    this.#pump();
    if (this.#inFlight === 0) this.#idle.wake();
  }

  #returnLane(lane: Lane, reason: string): void {
    for (const entry of this.#lanes.empty(lane)) this.#return(entry, entry.lastError ?? reason);
  }

  #return(entry: Entry, reason: string): void {
    this.#settlement.giveBack(entry, reason);
  }

  #tellCredit(): void {
    const credit = this.maxInFlight + this.#lanes.parked;
    if (credit === this.#toldCredit) return;
    this.#toldCredit = credit;
    this.#options.onCredit(credit);
  }
}
