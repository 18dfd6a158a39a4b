import type { Delivery } from "./app.ts";
import type { ProducedEvent } from "./events.ts";

/** What became of the produced events. */
export type Summary = {
  /** Never handled. */
  readonly lost: number;
  /** Handled once more than needed, all such deliveries counted. */
  readonly again: number;
  /** Handled for the first time after a later one of the same key. */
  readonly reordered: number;
  /** The longest time from sending to handling, in milliseconds. */
  readonly slowest: number;
};

export function summaryOf(
  produced: readonly ProducedEvent[],
  deliveries: readonly Delivery[],
): Summary {
  const seen = new Set<string>();
  const latest = new Map<string, number>();
  let [again, reordered, slowest] = [0, 0, 0];
  for (const { uuid, key, sequence, at, sent, verdict } of deliveries) {
    if (verdict !== "handled") continue;
    if (seen.has(uuid)) {
      again++;
      continue;
    }
    seen.add(uuid);
    slowest = Math.max(slowest, at - sent);
    const last = latest.get(key) ?? -1;
    if (sequence < last) reordered++;
    latest.set(key, Math.max(last, sequence));
  }
  return {
    lost: produced.filter(({ uuid }) => !seen.has(uuid)).length,
    again,
    reordered,
    slowest,
  };
}
