import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import {
  CompressionAlgorithm,
  createOtlpNetworkExportDelegate,
  ExporterMetrics,
  OTLPExporterBase,
  type IOtlpExportDelegate,
} from "@opentelemetry/otlp-exporter-base";
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from "@opentelemetry/otlp-exporter-base/node-http";
import {
  JsonTraceSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
  type IExporterMetricsHelper,
  type ISerializer,
} from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import { version } from "../../version.ts";
import type { ExportHealth } from "./export-health.ts";
import { GrpcTransport } from "./grpc-transport.ts";
import { LogExporter } from "./log-exporter.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import type { SpanTarget } from "./settings.ts";
import { readTlsFiles } from "./tls-files.ts";
import { TimedZipkinExporter } from "./zipkin-exporter.ts";

/** A signal's part of OTLP. */
export type OtlpSignal<Items, Response> = {
  /** Of gRPC: `/package.Service/Method`. */
  readonly path: string;
  readonly protobuf: ISerializer<Items, Response>;
  readonly json: ISerializer<Items, Response>;
  readonly helper: IExporterMetricsHelper<Items>;
  /** How many items of an export the receiver did not take, and why. */
  readonly refused: (response: Response) => { count: number; message: string };
};

const traces: OtlpSignal<
  ReadableSpan[],
  ReturnType<typeof ProtobufTraceSerializer.deserializeResponse>
> = {
  path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  protobuf: ProtobufTraceSerializer,
  json: JsonTraceSerializer,
  helper: TraceExporterMetricsHelper,
  refused: ({ partialSuccess }) => ({
    count: numberOf(partialSuccess?.rejectedSpans),
    message: partialSuccess?.errorMessage ?? "",
  }),
};

/** In JSON it is a text. */
function numberOf(count: unknown): number {
  return Number(count ?? 0);
}

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
  return new WatchedExporter(exporter, health);
}

/** What sends a signal to an OTLP receiver. Throws where a file cannot be read. */
export function otlpDelegate<Items, Response>(
  { protocol, url, headers, timeout, compress, certificates }: OtlpSettings,
  signal: OtlpSignal<Items, Response>,
  most: number,
  health: ExportHealth,
): IOtlpExportDelegate<Items> {
  const tls = readTlsFiles(certificates);
  const options = {
    timeoutMillis: timeout,
    concurrencyLimit: most,
    compression: compress ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
  };
  const serializer = watched(
    protocol === "http/json" ? signal.json : signal.protobuf,
    signal,
    health,
  );
  if (protocol === "grpc") {
    const transport = new GrpcTransport({ ...{ url, headers, compress, tls }, path: signal.path });
    const metrics = new ExporterMetrics({
      ...{ componentType: "otlp_grpc_exporter", metricsHelper: signal.helper, url },
      ...{ meterProvider: undefined, responseAttributesFromError: () => ({}) },
    });
    return createOtlpNetworkExportDelegate(options, serializer, metrics, transport);
  }
  const type = protocol === "http/json" ? "application/json" : "application/x-protobuf";
  return createOtlpHttpExportDelegate(
    {
      ...{ ...options, url, userAgent: `cufflink/${version}` },
      headers: async () => ({ ...headers, "Content-Type": type }),
      agentFactory: httpAgentFactoryFromOptions({ keepAlive: true, ...tls }),
    },
    serializer,
    "otlp_http_exporter",
    signal.helper,
    undefined,
  );
}

/** Counts what a receiver takes only in part. */
function watched<Items, Response>(
  serializer: ISerializer<Items, Response>,
  { refused }: OtlpSignal<Items, Response>,
  health: ExportHealth,
): ISerializer<Items, Response> {
  return {
    serializeRequest: (items) => serializer.serializeRequest(items),
    deserializeResponse(data) {
      const response = serializer.deserializeResponse(data);
      const { count, message } = refused(response);
      if (count > 0) health.drop(count, `the receiver refuses part of it: ${message}`);
      return response;
    },
  };
}

/** Tells how the exports end; never fails itself. */
class WatchedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #health: ExportHealth;

  constructor(exporter: SpanExporter, health: ExportHealth) {
    this.#exporter = exporter;
    this.#health = health;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    const before = this.#health.dropped;
    const ended = ({ code, error }: ExportResult): void => {
      if (code === ExportResultCode.FAILED)
        this.#health.drop(spans.length, error === undefined ? "no reason given" : messageOf(error));
      else if (this.#health.dropped === before) this.#health.succeeded();
      done({ code: ExportResultCode.SUCCESS });
    };
    try {
      this.#exporter.export(spans, ended);
    } catch (error) {
      ended({ code: ExportResultCode.FAILED, error: new Error(messageOf(error)) });
    }
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}
