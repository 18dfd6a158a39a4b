import type { Collection } from "../telemetry/collection.ts";
import type {
  HistogramFamily,
  HistogramPoint,
  MetricFamily,
  NumberFamily,
} from "../telemetry/metric-model.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Workers } from "./workers.ts";

/** Has the metrics of the process count what its workers have counted, those that have ended too. */
export function addWorkerMetrics(workers: Workers, metrics: Metrics): void {
  metrics.addRead(async (deprecated) => {
    await workers.look();
    const all = sum([...workers.countedByEnded, ...(await workers.counted(deprecated))]);
    return (page) => write(page, all);
  });
}

function write(page: Collection, families: readonly MetricFamily[]): void {
  for (const family of families) {
    const { points: _, ...definition } = family;
    if (family.type === "histogram")
      for (const point of family.points)
        page.histogram(definition as Omit<HistogramFamily, "points">, point);
    else
      for (const { attributes, value } of family.points)
        page.number(definition as Omit<NumberFamily, "points">, attributes, value);
  }
}

/** Each counter and histogram once, as the sum of those with its name and attributes. */
export function sum(all: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const byName = Map.groupBy(all.flat(), ({ name }) => name);
  return [...byName.values()].flatMap((families) => {
    const [first] = families;
    if (first === undefined) return [];
    const points = Map.groupBy(
      families.flatMap((one): readonly MetricFamily["points"][number][] => one.points),
      ({ attributes }) => JSON.stringify(Object.entries(attributes).toSorted()),
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
