import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import { Leases, type Leased } from "./leases.ts";
import { RevocableEvents, type Revocable } from "./revocable-events.ts";

const revoked = "revoked by its source";
const leaseExpired = "lease expired; its source redelivers it";

type Parts = {
  readonly lanes: Lanes;
  /** Returns an event that has left its lane. */
  readonly returnEvent: (entry: Entry, reason: string) => void;
  /** Called after some were returned. */
  readonly onReturned: () => void;
};

/**
 * Which events go back to their source before they are handled: those that it wants no more, and those that it
 * no longer leases. What the app has stays: there its answer decides.
 */
export class Revocation {
  readonly #options: DeliveryOptions;
  readonly #parts: Parts;
  readonly #revocable = new RevocableEvents((lanes) => this.#revoke(lanes));
  readonly #leases: Leases;

  constructor(options: DeliveryOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#leases = new Leases(options, (leased) => this.#expire(leased));
  }

  /** Watches an event that has come into a lane. */
  enter(lane: Lane, entry: Entry): void {
    if (entry.event.lease !== undefined) this.#leases.hold(lane, entry);
    if (entry.event.revoked !== undefined) this.#revocable.enter(lane, entry);
  }

  /** It is settled. */
  leave(entry: Entry): void {
    if (entry.event.lease !== undefined) this.#leases.release(entry);
    if (entry.event.revoked !== undefined) this.#revocable.leave(entry);
  }

  /** Returns what became due in a lane while some of it was dispatched; nothing of it is any more. */
  sweep(lane: Lane, reason: string): void {
    const { lanes, returnEvent } = this.#parts;
    for (const entry of [...lane.entries]) {
      if (!entry.event.revoked?.aborted) continue;
      lanes.remove(lane, entry);
      returnEvent(entry, entry.lastError ?? reason);
    }
    if (lane.mustDispose) return;
    const expired = lane.entries.find((entry) => entry.leaseExpired);
    if (expired !== undefined) this.#returnFrom(lane, expired);
  }

  #revoke(revocable: Iterable<Revocable>): void {
    const { lanes, returnEvent, onReturned } = this.#parts;
    const { app } = this.#options;
    const reason = app.available ? revoked : `the app is not there: ${app.unavailableReason}`;
    for (const { entry, lane } of revocable)
      if (lanes.withdraw(lane, entry)) returnEvent(entry, entry.lastError ?? reason);
    onReturned();
  }

  #expire(leased: readonly Leased[]): void {
    let count = 0;
    for (const { lane, entry } of leased) {
      entry.leaseExpired = true;
      count += this.#returnFrom(lane, entry);
    }
    const text = "leases expired: events were returned to their source";
    if (count > 0) this.#options.logger.info({ events: count }, text);
    this.#parts.onReturned();
  }

  /** With those that must not overtake it. Returns how many. */
  #returnFrom(lane: Lane, entry: Entry): number {
    const taken = this.#parts.lanes.withdrawFrom(lane, entry);
    for (const one of taken) {
      one.leaseExpired = true;
      this.#parts.returnEvent(one, leaseExpired);
    }
    return taken.length;
  }
}
