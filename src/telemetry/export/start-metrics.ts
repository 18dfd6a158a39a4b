import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  JsonMetricsSerializer,
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
} from "@opentelemetry/otlp-transformer";
import {
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { Logger } from "../../logger.ts";
import type { Metrics } from "../metrics.ts";
import { ExportHealth } from "./export-health.ts";
import { RuntimeMetricProducer } from "./metric-producer.ts";
import { otlpDelegate, type OtlpSignal } from "./otlp.ts";
import { resourceOf } from "./resource.ts";
import type { MetricSettings } from "./settings.ts";
import type { Exporting } from "./start.ts";
import { WatchedExporter } from "./watched-exporter.ts";

type Response = ReturnType<typeof ProtobufMetricsSerializer.deserializeResponse>;

const metricsSignal: OtlpSignal<ResourceMetrics, Response> = {
  path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  protobuf: ProtobufMetricsSerializer,
  json: JsonMetricsSerializer,
  helper: MetricsExporterMetricsHelper,
  refused: ({ partialSuccess }) => ({
    count: partialSuccess?.rejectedDataPoints,
    message: partialSuccess?.errorMessage,
  }),
};

/** Begins to export the metrics every now and then. Throws where a file cannot be read. */
export function startMetrics(
  { target, interval, timeout }: MetricSettings,
  about: Readonly<Record<string, string>>,
  metrics: Pick<Metrics, "collect">,
  logger: Logger,
): Exporting {
  const health = new ExportHealth("metrics", new URL(target.url).origin, logger);
  const delegate = otlpDelegate(target, metricsSignal, 2, health);
  const exporter: PushMetricExporter = new WatchedExporter<ResourceMetrics>(
    new OTLPExporterBase(delegate),
    health,
    pointsOf,
  );
  exporter.selectAggregationTemporality = () => AggregationTemporality.CUMULATIVE;
  const resource = resourceOf(about);
  const reader = new PeriodicExportingMetricReader({
    ...{ exporter, exportIntervalMillis: interval, exportTimeoutMillis: timeout },
    metricProducers: [new RuntimeMetricProducer(metrics, resource)],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return {
    get dropped() {
      return health.dropped;
    },
    get troubled() {
      return health.troubled;
    },
    flush: () => provider.shutdown(),
  };
}

function pointsOf({ scopeMetrics }: ResourceMetrics): number {
  const counts = scopeMetrics.flatMap(({ metrics }) => metrics.map((one) => one.dataPoints.length));
  return counts.reduce((sum, one) => sum + one, 0);
}
