import type { HistogramPoint, MetricFamily } from "../telemetry/metric-model.ts";

/** Each counter and histogram once, as the sum of those with its name and attributes. */
export function sum(all: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const byName = Map.groupBy(all.flat(), ({ name }) => name);
  return [...byName.values()].flatMap((families) => {
    const [first] = families;
    if (first === undefined) return [];
    const points = Map.groupBy(
      families.flatMap((one): readonly MetricFamily["points"][number][] => one.points),
      ({ attributes }) =>
        JSON.stringify(Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    );
    const summed = [...points.values()].map((same) => same.reduce(added));
    return [{ ...first, points: summed } as MetricFamily];
  });
}

type Point = MetricFamily["points"][number];

function added(one: Point, other: Point): Point {
  const since = Math.min(one.since, other.since);
  if ("counts" in one && "counts" in other) return addedHistogram(one, other, since);
  if ("value" in one && "value" in other) return { ...one, since, value: one.value + other.value };
  return one;
}

function addedHistogram(one: HistogramPoint, other: HistogramPoint, since: number): HistogramPoint {
  return {
    ...{ attributes: one.attributes, bounds: one.bounds, since },
    counts: one.counts.map((count, at) => count + (other.counts[at] ?? 0)),
    ...{ sum: one.sum + other.sum, count: one.count + other.count },
    exemplars: one.exemplars?.map((exemplar, at) => newer(exemplar, other.exemplars?.[at])),
  };
}

function newer<Value extends { readonly at: number }>(
  one: Value | undefined,
  other: Value | undefined,
): Value | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.at > other.at ? one : other;
}
