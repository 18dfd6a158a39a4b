import { clock, type Timer } from "../../clock.ts";

type Kept<Value> = { readonly value: Value; readonly timer: Timer };

type Watcher<Value> = (key: string, value: Value | undefined) => void;

/** Values in memory that are gone after a while, and whoever wants to know of it. */
export class ExpiringValues<Value> {
  readonly #kept = new Map<string, Kept<Value>>();
  readonly #watchers = new Set<Watcher<Value>>();

  get(key: string): Value | undefined {
    return this.#kept.get(key)?.value;
  }

  values(): Value[] {
    return [...this.#kept].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { value }]) => value);
  }

  /** In place of an earlier one. `ttl` in milliseconds. */
  set(key: string, value: Value, ttl: number): void {
    clock.clearTimeout(this.#kept.get(key)?.timer);
    const timer = clock.setTimeout(() => this.delete(key), ttl);
    timer.unref();
    this.#kept.set(key, { value, timer });
    this.#tell(key, value);
  }

  delete(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    clock.clearTimeout(kept.timer);
    this.#kept.delete(key);
    this.#tell(key, undefined);
  }

  watch(changed: Watcher<Value>): () => void {
    // Another function each time, as the same one may watch twice.
    const watcher: Watcher<Value> = (key, value) => changed(key, value);
    queueMicrotask(() => {
      if (!this.#watchers.has(watcher)) return;
      for (const [key, { value }] of this.#kept) changed(key, value);
    });
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Forgets all, and tells nobody. */
  clear(): void {
    for (const { timer } of this.#kept.values()) clock.clearTimeout(timer);
    this.#kept.clear();
    this.#watchers.clear();
  }

  #tell(key: string, value: Value | undefined): void {
    for (const watcher of [...this.#watchers]) watcher(key, value);
  }
}
