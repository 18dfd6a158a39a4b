import type { Logger } from "../binding.ts";
import { messageOf } from "../errors.ts";
import type { AttemptRecord, HistoryRecord } from "../store/records.ts";
import type { HistoryStore } from "../store/store.ts";
import type { Entry } from "./entry.ts";

/** How many finished events are remembered in memory. */
const ringSize = 10_000;
/** How many events that were simply handled are kept in the store, a second. */
const ordinaryPerSecond = 100;
/** Records go to the store together, at the latest after this many milliseconds. */
const gathering = 500;
const gatheredAtOnce = 500;
/** More than these wait for the store only while it fails or is slow; further ones are in memory alone. */
const mostPending = 5_000;
const mostFound = 100;
const longestClosing = 2_000;

/** How an event ended. */
export type End = {
  readonly how: HistoryRecord["end"];
  readonly reason: string;
  /** The dead letter's id. */
  readonly deadLetter?: string | undefined;
};

/**
 * What became of the events, for whoever asks after one of them: the last 10,000 in memory, and in the store those
 * with something to tell, and of the others a few a second. Noting one costs next to nothing.
 */
export class History {
  readonly #store: HistoryStore | undefined;
  readonly #logger: Logger;
  readonly #ring: Finished[] = [];
  /** Where the next goes once the ring is full. */
  #next = 0;
  #pending: Finished[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #second = 0;
  #ordinary = 0;
  #inTrouble = false;

  /** Without a store events are remembered in memory alone. */
  constructor(store: HistoryStore | undefined, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Notes that an event has ended. */
  record(component: string, entry: Entry, end: End, now: number): void {
    const finished = new Finished(component, entry, end, now);
    if (this.#ring.length < ringSize) this.#ring.push(finished);
    else {
      this.#ring[this.#next] = finished;
      this.#next = this.#next === ringSize - 1 ? 0 : this.#next + 1;
    }
    if (this.#store === undefined) return;
    if (finished.isOrdinary && !this.#mayKeepOrdinary(now)) return;
    this.#pending.push(finished);
    if (this.#pending.length > mostPending) this.#pending.shift();
    if (this.#pending.length >= gatheredAtOnce) this.#write(this.#store);
    else this.#timer ??= setTimeout(() => void this.flush(), gathering).unref();
  }

  /**
   * What is known of events with this id, or in this trace, the newest first, at most 100. Rejects with a
   * `BindingError` when the store cannot be read.
   */
  async find(eventId: string, component?: string): Promise<HistoryRecord[]> {
    await this.flush();
    const found = [...((await this.#store?.find(eventId, component)) ?? [])];
    for (const one of this.#newestFirst()) {
      if (one.isKept || (component !== undefined && one.component !== component)) continue;
      if (one.eventId === eventId || one.traceId === eventId) found.push(one.toRecord());
    }
    return found.toSorted((a, b) => b.endedAt - a.endedAt).slice(0, mostFound);
  }

  /** Resolves once what was noted is in the store, or could not be. */
  async flush(): Promise<void> {
    if (this.#store !== undefined && this.#pending.length > 0) this.#write(this.#store);
    await this.#writing;
  }

  /** As {@link flush}, and waits no longer than a moment for a store that hangs. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, longestClosing);
    await Promise.race([this.flush(), late.promise]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  *#newestFirst(): Generator<Finished> {
    const ring = this.#ring;
    for (let index = this.#next - 1; index >= 0; index--) yield ring[index] as Finished;
    for (let index = ring.length - 1; index >= this.#next; index--) yield ring[index] as Finished;
  }

  #mayKeepOrdinary(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#ordinary = 0;
    }
    return ++this.#ordinary <= ordinaryPerSecond;
  }

  /** One write at a time: a slow disk must not collect them. */
  #write(store: HistoryStore): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#append(store).finally(() => (this.#isWriting = false));
  }

  async #append(store: HistoryStore): Promise<void> {
    while (this.#pending.length > 0) {
      const finished = this.#pending.splice(0);
      try {
        await store.append(finished.map((one) => one.toRecord()));
        for (const one of finished) one.isKept = true;
        this.#inTrouble = false;
      } catch (error) {
        if (!this.#inTrouble)
          this.#logger.warn({ reason: messageOf(error) }, "the history of events cannot be kept");
        this.#inTrouble = true;
      }
    }
  }
}

/** An event that has ended, without its payload. A class, since one is made for each event. */
class Finished {
  readonly component: string;
  readonly eventId: string | undefined;
  /** The store has it. */
  isKept = false;
  readonly #source: string;
  readonly #receivedAt: number;
  readonly #attempts: readonly AttemptRecord[] | undefined;
  readonly #attemptedAt: number;
  readonly #took: number;
  readonly #renewals: readonly number[] | undefined;
  readonly #failedRenewals: HistoryRecord["failedRenewals"];
  readonly #traceparent: string | undefined;
  readonly #redelivered: boolean;
  readonly #end: End;
  readonly #endedAt: number;

  constructor(component: string, entry: Entry, end: End, now: number) {
    this.component = component;
    this.eventId = entry.event.id;
    this.#source = entry.window.source;
    this.#receivedAt = entry.since;
    this.#attempts = entry.attempts;
    this.#attemptedAt = entry.attemptedAt;
    this.#took = entry.took;
    this.#renewals = entry.renewals;
    this.#failedRenewals = entry.failedRenewals;
    this.#traceparent = entry.trace["traceparent"];
    this.#redelivered = entry.event.redelivered === true;
    this.#end = end;
    this.#endedAt = now;
  }

  /** Handled at once, or a duplicate, of which there may be as many. */
  get isOrdinary(): boolean {
    const { how } = this.#end;
    if (this.#attempts !== undefined || this.#redelivered) return false;
    return how === "handled" || how === "duplicate";
  }

  get traceId(): string {
    return this.#traceparent?.slice(3, 35) ?? "";
  }

  toRecord(): HistoryRecord {
    const { how, reason, deadLetter } = this.#end;
    return {
      component: this.component,
      eventId: this.eventId ?? "",
      source: this.#source,
      receivedAt: this.#receivedAt,
      attempts: [...(this.#attempts ?? []), ...this.#lastAttempt()],
      renewals: this.#renewals ?? [],
      ...(this.#failedRenewals && { failedRenewals: this.#failedRenewals }),
      traceId: this.traceId,
      end: how,
      endedAt: this.#endedAt,
      reason,
      deadLetter,
    };
  }

  /** The one that was well: the others are noted as they end. */
  #lastAttempt(): AttemptRecord[] {
    if (this.#end.how !== "handled" || this.#attemptedAt === 0) return [];
    const at = Math.round(performance.timeOrigin + this.#attemptedAt);
    return [{ at, took: this.#took, outcome: "handled", answer: "" }];
  }
}
