import { TurnoverMap } from "../../memory/turnover-map.ts";
import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";

export type Revocable = { readonly entry: Entry; readonly lane: Lane };

/** The events that their source may revoke, found by the signal with which it does. */
export class RevocableEvents {
  readonly #onRevoked: (revoked: Iterable<Revocable>) => void;
  /**
   * By the numbers of the entries. A signal may be that of one event, or of a million, one after another: they share the
   * listener.
   */
  readonly #bySignal = new WeakMap<AbortSignal, TurnoverMap<number, Revocable>>();

  /** `onRevoked` gets a signal's events that have not left, in the order in which they came, with their lanes. */
  constructor(onRevoked: (revoked: Iterable<Revocable>) => void) {
    this.#onRevoked = onRevoked;
  }

  enter(lane: Lane, entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal === undefined) return;
    let ofSignal = this.#bySignal.get(signal);
    if (ofSignal === undefined) {
      const events = (ofSignal = new TurnoverMap<number, Revocable>());
      this.#bySignal.set(signal, events);
      signal.addEventListener("abort", () => this.#onRevoked(events.values()), { once: true });
    }
    ofSignal.set(entry.number, { entry, lane });
  }

  /** It is settled. */
  leave(entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal !== undefined) this.#bySignal.get(signal)?.delete(entry.number);
  }
}
