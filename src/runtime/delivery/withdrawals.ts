import type { Entry } from "./entry.ts";

/** The events that their source may take back, found by the signal with which it does. */
export class Withdrawals {
  readonly #onWithdrawn: (entries: Iterable<Entry>) => void;
  /** A signal may be that of one event, or of a million, one after another: they share the listener. */
  readonly #bySignal = new WeakMap<AbortSignal, Set<Entry>>();

  /** `onWithdrawn` gets a signal's events that have not left, in the order in which they came. */
  constructor(onWithdrawn: (entries: Iterable<Entry>) => void) {
    this.#onWithdrawn = onWithdrawn;
  }

  enter(entry: Entry): void {
    const signal = entry.event.withdrawn;
    if (signal === undefined) return;
    let entries = this.#bySignal.get(signal);
    if (entries === undefined) {
      entries = new Set();
      this.#bySignal.set(signal, entries);
      const withdraw = (): void => this.#onWithdrawn(this.#bySignal.get(signal) ?? []);
      signal.addEventListener("abort", withdraw, { once: true });
    }
    entries.add(entry);
  }

  /** It is settled. */
  leave(entry: Entry): void {
    const signal = entry.event.withdrawn;
    if (signal !== undefined) this.#bySignal.get(signal)?.delete(entry);
  }
}
