import type { Entry } from "./entry.ts";
import type { Lane } from "./lane.ts";

/** The events that their source may revoke, found by the signal with which it does. */
export class RevocableEvents {
  readonly #onRevoked: (lanes: ReadonlyMap<Entry, Lane>) => void;
  /** A signal may be that of one event, or of a million, one after another: they share the listener. */
  readonly #bySignal = new WeakMap<AbortSignal, Map<Entry, Lane>>();

  /** `onRevoked` gets a signal's events that have not left, in the order in which they came, with their lanes. */
  constructor(onRevoked: (lanes: ReadonlyMap<Entry, Lane>) => void) {
    this.#onRevoked = onRevoked;
  }

  enter(lane: Lane, entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal === undefined) return;
    const known = this.#bySignal.get(signal);
    if (known !== undefined) return void known.set(entry, lane);
    const lanes = new Map([[entry, lane]]);
    this.#bySignal.set(signal, lanes);
    signal.addEventListener("abort", () => this.#onRevoked(lanes), { once: true });
  }

  /** It is settled. */
  leave(entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal !== undefined) this.#bySignal.get(signal)?.delete(entry);
  }
}
