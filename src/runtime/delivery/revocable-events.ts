import type { Entry } from "./entry.ts";

/** The events that their source may revoke, found by the signal with which it does. */
export class RevocableEvents {
  readonly #onRevoked: (entries: Iterable<Entry>) => void;
  /** A signal may be that of one event, or of a million, one after another: they share the listener. */
  readonly #bySignal = new WeakMap<AbortSignal, Set<Entry>>();

  /** `onWithdrawn` gets a signal's events that have not left, in the order in which they came. */
  constructor(onRevoked: (entries: Iterable<Entry>) => void) {
    this.#onRevoked = onRevoked;
  }

  enter(entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal === undefined) return;
    let entries = this.#bySignal.get(signal);
    if (entries === undefined) {
      entries = new Set();
      this.#bySignal.set(signal, entries);
      const revoke = (): void => this.#onRevoked(this.#bySignal.get(signal) ?? []);
      signal.addEventListener("abort", revoke, { once: true });
    }
    entries.add(entry);
  }

  /** It is settled. */
  leave(entry: Entry): void {
    const signal = entry.event.revoked;
    if (signal !== undefined) this.#bySignal.get(signal)?.delete(entry);
  }
}
