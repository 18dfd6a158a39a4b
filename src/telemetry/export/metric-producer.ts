import { ValueType } from "@opentelemetry/api";
import { millisToHrTime } from "@opentelemetry/core";
import type { Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import { version } from "../../version.ts";
import { otelName, type HistogramFamily, type MetricFamily } from "../metric-model.ts";
import type { Metrics } from "../metrics.ts";
import { Slices } from "../slices.ts";
import { schemaUrl } from "./conventions.ts";

/** Gives OpenTelemetry's SDK the counters that there are, the same as Prometheus gets. */
export class RuntimeMetricProducer implements MetricProducer {
  readonly #metrics: Pick<Metrics, "collect">;
  readonly #resource: Resource;

  constructor(metrics: Pick<Metrics, "collect">, resource: Resource) {
    this.#metrics = metrics;
    this.#resource = resource;
  }

  async collect(): Promise<CollectionResult> {
    const families = await this.#metrics.collect({ collector: "otlp", deprecated: false });
    const now = Date.now();
    const scope = { name: "cufflink", version, schemaUrl };
    const slices = new Slices();
    const metrics: MetricData[] = [];
    for (const family of families) {
      if (slices.isOver) await slices.pause();
      metrics.push(metricOf(family, now));
    }
    return {
      resourceMetrics: { resource: this.#resource, scopeMetrics: [{ scope, metrics }] },
      errors: [],
    };
  }
}

function metricOf(family: MetricFamily, now: number): MetricData {
  const { help, unit } = family;
  const about = {
    descriptor: { name: otelName(family), description: help, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (family.type === "histogram")
    return {
      ...about,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: histograms(family, now),
    };
  const dataPoints = family.points.map(({ attributes, value, since }) => ({
    ...{ attributes, value },
    startTime: millisToHrTime(since),
    endTime: millisToHrTime(now),
  }));
  return family.type === "counter"
    ? { ...about, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...about, dataPointType: DataPointType.GAUGE, dataPoints };
}

function histograms({ points }: HistogramFamily, now: number) {
  return points.map(({ attributes, bounds, counts, sum, count, since }) => ({
    attributes,
    value: { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count },
    startTime: millisToHrTime(since),
    endTime: millisToHrTime(now),
  }));
}
