import { clock, type Timer } from "../../clock.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";

/** How much of its duration a lease has run when it is renewed. */
const renewedAfter = 1 / 3;
const leastInterval = 10;

/** How much of its duration is left when a lease that cannot be renewed counts as over: they end together. */
const expiredBefore = 1 / 25;

/** An event that its source leases. */
export type Leased = {
  readonly lane: Lane;
  readonly entry: Entry;
  /** When its lease is renewed next, or has expired, by `performance.now()`. */
  due: number;
  /** When it ends, unless it is renewed. */
  ends: number;
};

type LeasesOptions = Pick<DeliveryOptions, "name" | "logger" | "observer">;

/**
 * Renews the leases of the events that are held, queued, waiting or with the app, and tells which cannot be renewed
 * and are over, by one timer for all.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #onExpired: (leased: readonly Leased[]) => void;
  /** By the numbers of the entries. */
  readonly #leased = new TurnoverMap<number, Leased>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `onExpired` gets events whose lease has expired, in the order in which they came, once. */
  constructor(options: LeasesOptions, onExpired: (leased: readonly Leased[]) => void) {
    this.#options = options;
    this.#onExpired = onExpired;
  }

  /** Holds an event, if it is leased. */
  hold(lane: Lane, entry: Entry): void {
    const { lease } = entry.event;
    if (lease === undefined) return;
    const now = clock.elapsed();
    const ends = now + lease.duration;
    const due = lease.extend ? now + lease.duration * renewedAfter : ends;
    this.#leased.set(entry.number, { lane, entry, due, ends });
    this.#wakeAt(due);
  }

  /** It is settled. */
  release(entry: Entry): void {
    if (this.#leased.delete(entry.number) && this.#leased.size === 0) this.#stop();
  }

  #wakeAt(due: number): void {
    if (due >= this.#timerAt) return;
    clock.clearTimeout(this.#timer);
    this.#timerAt = due;
    const wait = Math.max(leastInterval, due - clock.elapsed());
    this.#timer = clock.setTimeout(() => this.#renew(), Math.min(wait, longestTimer));
  }

  #renew(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = clock.elapsed();
    let next = Number.POSITIVE_INFINITY;
    const expired: Leased[] = [];
    for (const leased of this.#leased.values()) {
      const { lease } = leased.entry.event;
      if (lease === undefined) continue;
      // All that can be done was done, and some time is left to tell whose they are.
      if (leased.ends - now <= lease.duration * expiredBefore) {
        expired.push(leased);
        continue;
      }
      // Those that are nearly due are renewed along with the others.
      if (lease.extend !== undefined && leased.due - now <= (lease.duration * renewedAfter) / 4) {
        leased.due = now + lease.duration * renewedAfter;
        void this.#extend(leased, lease.duration, lease.extend);
      }
      next = Math.min(next, leased.due, leased.ends - lease.duration * expiredBefore);
    }
    if (Number.isFinite(next)) this.#wakeAt(next);
    for (const { entry } of expired) this.#leased.delete(entry.number);
    if (expired.length > 0) this.#onExpired(expired);
  }

  async #extend(leased: Leased, duration: number, extend: () => Promise<void>): Promise<void> {
    const { name, logger, observer } = this.#options;
    const { entry } = leased;
    const asked = clock.elapsed();
    try {
      await extend();
      leased.ends = asked + duration;
      observer.leaseRenewed(name, true);
      entry.renewals ??= [];
      entry.renewals.push(clock.now());
      if (entry.renewals.length > mostRenewals) entry.renewals.shift();
    } catch (error) {
      if (entry.settled) return;
      observer.leaseRenewed(name, false);
      const reason = messageOf(error);
      entry.failedRenewals ??= [];
      if (entry.failedRenewals.length < mostRenewals)
        entry.failedRenewals.push({ at: clock.now(), reason });
      const facts = { event: entry.event.id, reason };
      logger.warn(facts, "a lease was not renewed; its source may deliver the event again");
      // Refused for good: it is another's already, or will be.
      if (!(error instanceof BindingError) || error.effect !== "rejected") return;
      if (this.#leased.delete(entry.number)) this.#onExpired([leased]);
    }
  }

  #stop(): void {
    clock.clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }
}

const mostRenewals = 100;
