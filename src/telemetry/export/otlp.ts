import {
  CompressionAlgorithm,
  createOtlpNetworkExportDelegate,
  ExporterMetrics,
  type IOtlpExportDelegate,
} from "@opentelemetry/otlp-exporter-base";
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from "@opentelemetry/otlp-exporter-base/node-http";
import type { IExporterMetricsHelper, ISerializer } from "@opentelemetry/otlp-transformer";
import { version } from "../../version.ts";
import type { ExportHealth } from "./export-health.ts";
import { GrpcTransport } from "./grpc-transport.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import { readTlsFiles } from "./tls-files.ts";

/** A signal's part of OTLP. */
export type OtlpSignal<Items, Response> = {
  /** Of gRPC: `/package.Service/Method`. */
  readonly path: string;
  readonly protobuf: ISerializer<Items, Response>;
  readonly json: ISerializer<Items, Response>;
  readonly helper: IExporterMetricsHelper<Items>;
  /** What of an export the receiver did not take. JSON has numbers as texts. */
  readonly refused: (response: Response) => {
    readonly count: number | string | undefined;
    readonly message: string | undefined;
  };
};

/** What sends a signal to an OTLP receiver. `most`: exports at one time. Throws where a file cannot be read. */
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
  const serializer = protocol === "http/json" ? signal.json : signal.protobuf;
  const watching = watched(serializer, signal, health);
  if (protocol === "grpc") {
    const transport = new GrpcTransport({ url, headers, compress, tls, path: signal.path });
    const metrics = new ExporterMetrics({
      ...{ componentType: "otlp_grpc_exporter", metricsHelper: signal.helper, url },
      ...{ meterProvider: undefined, responseAttributesFromError: () => ({}) },
    });
    return createOtlpNetworkExportDelegate(options, watching, metrics, transport);
  }
  const type = protocol === "http/json" ? "application/json" : "application/x-protobuf";
  const http = {
    ...{ ...options, url, userAgent: `cufflink/${version}` },
    headers: async () => ({ ...headers, "Content-Type": type }),
    agentFactory: httpAgentFactoryFromOptions({ keepAlive: true, ...tls }),
  };
  const { helper } = signal;
  return createOtlpHttpExportDelegate(http, watching, "otlp_http_exporter", helper, undefined);
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
      const { count, message = "" } = refused(response);
      const number = Number(count ?? 0);
      if (number > 0) health.drop(number, `the receiver refuses part of it: ${message}`);
      return response;
    },
  };
}
