/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Latencies as they are told: what half, nine in ten and 99 in 100 stayed below. */
export type Percentiles = { readonly p50: number; readonly p90: number; readonly p99: number };

/** Sorts the values in place. */
export function percentiles(values: Float64Array): Percentiles {
  values.sort();
  const at = (share: number): number =>
    values[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
