import { clock } from "../../clock.ts";
import type { Settlement } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import type { Outcome } from "../app.ts";
import { noteRefusal } from "./attempt.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { Deduplication } from "./deduplication.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import { isFenced, leaseIsOver } from "./fenced.ts";
import { newCounts } from "./event-counts.ts";
import type { Exhaustion } from "./exhaustion.ts";
import type { End } from "../records/history-ring.ts";
import { handledSettlement, type Lane } from "./lane.ts";
import type { Revocation } from "./revocation.ts";
import { endAttempt, endEvent } from "./traced.ts";

/** How an event has come back from where it was sent. */
export type Conclusion = Outcome | { readonly kind: "duplicate" };

/** How far a delivery has come. */
export type Progress = {
  /** Events taken in. */
  readonly delivered: number;
  /** Events settled in any way. */
  readonly settled: number;
  /** When the last was settled, in milliseconds since 1970. */
  readonly lastSettledAt: number | undefined;
  /** The unsettled event that has been here longest. */
  readonly oldest: { readonly label: string; readonly since: Date } | undefined;
};

const handledTwice =
  "the app has handled the event after this replica's lease was over: the owner delivers it again";
const plainlyHandled: End = { how: "handled", reason: "" };
const duplicate: End = { how: "duplicate", reason: "it was handled before" };

type Parts = {
  readonly counts: AttemptCounts;
  readonly deduplication: Deduplication | undefined;
  readonly exhaustion: Exhaustion;
  readonly revocation: Revocation;
};

/** Where each event of a component ends: its source is told, once, and whoever keeps account of it. */
export class EventSettlement {
  readonly #options: DeliveryOptions;
  readonly #parts: Parts;
  readonly counts = newCounts();
  /** Events settled in any way. */
  settled = 0;
  /** When the last was settled, in milliseconds since 1970. */
  lastSettledAt: number | undefined = undefined;

  constructor(options: DeliveryOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Settles an event that is done with, and true; of any other, notes how it failed. */
  conclude(lane: Lane, entry: Entry, outcome: Conclusion): boolean {
    if (entry.attemptSpan !== undefined) endAttempt(entry, outcome);
    switch (outcome.kind) {
      case "handled":
        this.#attempted(entry);
        lane.remove(entry);
        this.end(entry, handledSettlement(outcome.reply), plainlyHandled);
        return true;
      case "duplicate":
        lane.remove(entry);
        this.end(entry, handledSettlement(undefined), duplicate);
        return true;
      case "dropped": {
        const { reason } = outcome;
        const facts = { event: entry.event.id, reason, ...entry.traced };
        this.#options.logger.warn(facts, "event dropped, as the app says");
        this.#attempted(entry);
        entry.note("dropped", reason);
        lane.remove(entry);
        this.end(entry, handledSettlement(undefined), { how: "dropped", reason });
        return true;
      }
      case "refused":
        this.#refused(entry, outcome);
        return false;
      case "unsent":
        entry.note("unsent", outcome.reason);
        return false;
      case "not attempted":
        return false;
    }
  }

  #attempted(entry: Entry): void {
    this.counts.attempts++;
    this.counts.attemptTime += entry.took;
  }

  #refused(entry: Entry, outcome: Outcome & { kind: "refused" }): void {
    entry.note("refused", outcome.reason);
    entry.failed++;
    entry.lastError = outcome.reason;
    this.#attempted(entry);
    this.counts.failedAttempts++;
    if (!entry.event.revoked?.aborted) noteRefusal(entry, outcome, this.#options);
  }

  /** Returns an event to its source. */
  giveBack(entry: Entry, reason: string): void {
    const settlement = { outcome: "returned", reason } as const;
    const unattempted = entry.failed === 0 && entry.attemptedAt === 0;
    this.end(entry, unattempted ? { ...settlement, unattempted } : settlement, {
      ...{ how: "returned", reason },
    });
  }

  /** Settles an event, once, and frees its place in the window. */
  end(entry: Entry, settlement: Settlement, end: End): void {
    if (isFenced(this.#options)) return this.#endFenced(entry, settlement);
    this.#end(entry, settlement, end);
    this.#record(entry, end);
  }

  /**
   * The source is another replica's: what the app has handled it is given again, and nothing is noted. `returned` changes
   * nothing at a source that one replica reads.
   */
  #endFenced(entry: Entry, settlement: Settlement): void {
    const { event, traced } = entry;
    if (settlement.outcome === "handled")
      this.#options.logger.warn({ event: event.id, ...traced }, handledTwice);
    const end: End = { how: "returned", reason: leaseIsOver };
    this.#end(entry, { outcome: "returned", reason: leaseIsOver }, end);
    this.#parts.exhaustion.forget(entry);
  }

  #end(entry: Entry, settlement: Settlement, end: End): void {
    const { event } = entry;
    const { logger, observer, name, history } = this.#options;
    if (faultPoints) reach("before settle");
    try {
      event.settle(settlement);
    } catch (error) {
      const facts = { event: event.id, reason: messageOf(error), ...entry.traced };
      logger.error(facts, "an event could not be settled");
    }
    if (faultPoints) reach("settled");
    if (entry.span !== undefined) endEvent(entry, end);
    entry.settle();
    const now = clock.now();
    this.settled++;
    this.lastSettledAt = now;
    // A dead letter that is redriven is counted already, unless it is handled now.
    if (entry.redriven === undefined || end.how === "handled") this.counts.ended[end.how]++;
    this.#parts.revocation.leave(entry);
    if (end.how !== "handled") observer.ended(name, end.how);
    if (entry.redriven !== undefined)
      observer.redriven(name, settlement.outcome === "handled" ? "handled" : "refused");
    history?.record(name, entry, end, now);
  }

  /** What is noted of the event in the store, and what waits for it. */
  #record(entry: Entry, { how }: End): void {
    const { counts, exhaustion, deduplication } = this.#parts;
    exhaustion.forget(entry);
    if (entry.claim !== undefined) {
      // One that counts as handled was completed before.
      deduplication?.release(entry.claim);
      entry.claim = undefined;
    }
    if (entry.redriven !== undefined) {
      if (how === "handled") counts.deadLetterRemoved(entry.redriven);
      return;
    }
    if (how === "returned") counts.returned(entry);
    else if (how === "dead letter") counts.deadLetterAcknowledged(entry);
    else counts.forget(entry);
  }
}
