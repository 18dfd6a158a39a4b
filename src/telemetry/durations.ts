import type { SpanIds } from "../runtime/observer.ts";
import type { Attributes, Exemplar, HistogramPoint } from "./metric-model.ts";

/** Milliseconds. All of Dapr's, and those that our own metrics add at both ends. */
const internalBounds = [
  0.1, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250,
  300, 400, 500, 650, 800, 1000, 2000, 5000, 10_000, 30_000, 60_000,
];

/** Dapr's own latencies, in milliseconds. */
const daprs = bucketsOf(internalBounds.filter((bound) => bound >= 1 && bound <= 10_000));

/** Our own durations, for seconds from 0.0001 to 60. */
const ours = bucketsOf([
  0.1, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000,
]);
const ourSeconds = ours.bounds.map((bound) => bound / 1000);

/**
 * Counts durations once, for Dapr's histogram in milliseconds and ours in seconds: each has some of these buckets. An
 * observation costs a short search, and what a trace tells of it only where there is one.
 */
export class Durations {
  readonly #counts: number[] = Array.from({ length: internalBounds.length + 1 }, () => 0);
  #sum = 0;
  #exemplars: (Exemplar | undefined)[] | undefined;
  readonly since = Date.now();

  /** `span`: the recorded span of what took so long; absent where none is. */
  observe(milliseconds: number, span?: SpanIds): void {
    let index = 0;
    while (index < internalBounds.length && milliseconds > (internalBounds[index] ?? 0)) index++;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += milliseconds;
    if (span === undefined) return;
    this.#exemplars ??= Array.from({ length: internalBounds.length + 1 }, () => undefined);
    const { traceId, spanId } = span;
    this.#exemplars[index] = { value: milliseconds, at: Date.now(), traceId, spanId };
  }

  /** How many were observed. */
  get count(): number {
    return this.#counts.reduce((sum, one) => sum + one, 0);
  }

  /** All of the parts together as Dapr has them: in milliseconds, without exemplars. */
  static inMilliseconds(parts: readonly Durations[], attributes: Attributes): HistogramPoint {
    return { attributes, ...Durations.#merge(parts, daprs), exemplars: undefined };
  }

  /** In seconds, with exemplars. */
  inSeconds(attributes: Attributes): HistogramPoint {
    const { sum, exemplars, ...merged } = Durations.#merge([this], ours);
    return {
      ...{ attributes, ...merged },
      bounds: ourSeconds,
      sum: sum / 1000,
      exemplars: exemplars?.map((one) => one && { ...one, value: one.value / 1000 }),
    };
  }

  static #merge(
    parts: readonly Durations[],
    { bounds, places }: Buckets,
  ): Omit<HistogramPoint, "attributes"> {
    const counts = Array.from({ length: bounds.length + 1 }, () => 0);
    const exemplars: (Exemplar | undefined)[] = Array.from(counts, () => undefined);
    let sum = 0;
    let count = 0;
    for (const part of parts) {
      sum += part.#sum;
      for (const [index, one] of part.#counts.entries()) {
        const at = places[index] ?? bounds.length;
        count += one;
        counts[at] = (counts[at] ?? 0) + one;
        const exemplar = part.#exemplars?.[index];
        if (exemplar !== undefined && exemplar.at >= (exemplars[at]?.at ?? 0))
          exemplars[at] = exemplar;
      }
    }
    return {
      ...{ bounds, counts, sum, count },
      since: Math.min(...parts.map(({ since }) => since)),
      exemplars: exemplars.some((one) => one !== undefined) ? exemplars : undefined,
    };
  }
}

type Buckets = {
  readonly bounds: readonly number[];
  /** Which of these buckets has all of each internal one. */
  readonly places: readonly number[];
};

function bucketsOf(bounds: readonly number[]): Buckets {
  const places = [...internalBounds, Infinity].map((bound) => {
    const found = bounds.findIndex((upper) => bound <= upper);
    return found === -1 ? bounds.length : found;
  });
  return { bounds, places };
}
