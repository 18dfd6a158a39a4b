import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import { Leases } from "./leases.ts";
import { Withdrawals } from "./withdrawals.ts";

const takenBack = "its source took it back";
const lentNoLonger = "its source lends it no longer, and delivers it again";

type Parts = {
  readonly lanes: Lanes;
  /** Returns an event that has left its lane. */
  readonly giveBack: (entry: Entry, reason: string) => void;
  /** Called after some were given back. */
  readonly afterwards: () => void;
};

/**
 * Which events go back to their source before they are handled: those that it wants no more, and those that it
 * does not lend any longer. What the app has stays: there its answer decides.
 */
export class TakingBack {
  readonly #options: DeliveryOptions;
  readonly #parts: Parts;
  readonly #withdrawals = new Withdrawals((entries) => this.#withdraw(entries));
  readonly #leases: Leases;

  constructor(options: DeliveryOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#leases = new Leases(options, (entries) => this.#endLoan(entries));
  }

  /** Watches over an event that comes in. */
  enter(entry: Entry): void {
    if (entry.event.lease !== undefined) this.#leases.hold(entry);
    if (entry.event.withdrawn !== undefined) this.#withdrawals.enter(entry);
  }

  /** It is settled. */
  leave(entry: Entry): void {
    if (entry.event.lease !== undefined) this.#leases.release(entry);
    if (entry.event.withdrawn !== undefined) this.#withdrawals.leave(entry);
  }

  /** Gives back what became due in a lane while it was out; nothing of it is any more. */
  sweep(lane: Lane, reason: string): void {
    const { lanes, giveBack } = this.#parts;
    for (const entry of [...lane.entries]) {
      if (!entry.event.withdrawn?.aborted) continue;
      lanes.remove(lane, entry);
      giveBack(entry, entry.lastError ?? reason);
    }
    if (lane.mustDispose) return;
    const overdue = lane.entries.find((entry) => entry.overdue);
    if (overdue !== undefined) this.#giveBackFrom(overdue);
  }

  #withdraw(entries: Iterable<Entry>): void {
    const { lanes, giveBack, afterwards } = this.#parts;
    const { app } = this.#options;
    const reason = app.available ? takenBack : `the app is not there: ${app.unavailableReason}`;
    for (const entry of entries)
      if (lanes.takeBack(entry)) giveBack(entry, entry.lastError ?? reason);
    afterwards();
  }

  #endLoan(entries: readonly Entry[]): void {
    let count = 0;
    for (const entry of entries) {
      entry.overdue = true;
      count += this.#giveBackFrom(entry);
    }
    const text = "events were given back: their source lends them no longer";
    if (count > 0) this.#options.logger.info({ events: count }, text);
    this.#parts.afterwards();
  }

  /** With those that must not overtake it. Returns how many. */
  #giveBackFrom(entry: Entry): number {
    const taken = this.#parts.lanes.takeFrom(entry);
    for (const one of taken) {
      one.overdue = true;
      this.#parts.giveBack(one, lentNoLonger);
    }
    return taken.length;
  }
}
