/** Upper bounds in milliseconds, those of Dapr's latency metrics. */
export const latencyBounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000,
  2000, 5000, 10_000, 20_000, 50_000, 100_000,
] as const;

/** Counts durations by the bounds of {@link latencyBounds}. */
export class Histogram {
  readonly #counts = new Float64Array(latencyBounds.length + 1);
  sum = 0;
  count = 0;

  observe(milliseconds: number): void {
    let bucket = 0;
    while (bucket < latencyBounds.length && milliseconds > (latencyBounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.sum += milliseconds;
    this.count++;
  }

  /** How many were at most each bound, the last without bound: as Prometheus wants them. */
  cumulative(): { bound: string; count: number }[] {
    let total = 0;
    return Array.from(this.#counts, (count, index) => {
      total += count;
      return { bound: String(latencyBounds[index] ?? "+Inf"), count: total };
    });
  }
}
