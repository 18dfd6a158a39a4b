import type { Collection } from "../telemetry/collection.ts";
import type { HistogramFamily, MetricFamily, NumberFamily } from "../telemetry/metric-model.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { sum } from "./metric-sum.ts";
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
