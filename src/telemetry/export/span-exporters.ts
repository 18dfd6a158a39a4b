import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  JsonTraceSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { Logger } from "../../logger.ts";
import type { ExportHealth } from "./export-health.ts";
import { LogExporter } from "./log-exporter.ts";
import { otlpDelegate, type OtlpSignal } from "./otlp.ts";
import type { SpanTarget } from "./settings.ts";
import { WatchedExporter } from "./watched-exporter.ts";
import { TimedZipkinExporter } from "./zipkin-exporter.ts";

type Response = ReturnType<typeof ProtobufTraceSerializer.deserializeResponse>;

const traces: OtlpSignal<ReadableSpan[], Response> = {
  path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  protobuf: ProtobufTraceSerializer,
  json: JsonTraceSerializer,
  helper: TraceExporterMetricsHelper,
  refused: ({ partialSuccess }) => ({
    count: partialSuccess?.rejectedSpans,
    message: partialSuccess?.errorMessage,
  }),
};

/** Makes what exports spans to the target. `most`: exports at one time. Throws where a file cannot be read. */
export function spanExporter(
  target: SpanTarget,
  most: number,
  health: ExportHealth,
  logger: Logger,
): SpanExporter {
  if (target.kind === "log") return new LogExporter(logger);
  const exporter =
    target.kind === "zipkin"
      ? new TimedZipkinExporter(target.url, target.timeout)
      : new OTLPExporterBase(otlpDelegate(target, traces, most, health));
  return new WatchedExporter<ReadableSpan[]>(exporter, health, ({ length }) => length);
}
