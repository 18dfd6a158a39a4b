import type { ExportResponse, IExporterTransport } from "@opentelemetry/otlp-exporter-base";
import { GrpcClient, type UnaryResult } from "../../grpc/client.ts";
import { Code } from "../../grpc/status.ts";
import type { TlsFiles } from "./tls-files.ts";

export type GrpcTransportOptions = {
  /** Its scheme, host and port count. */
  readonly url: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly compress: boolean;
  readonly tls: TlsFiles;
};

/** What OTLP lets a client try again. */
const passing: ReadonlySet<number> = new Set([
  ...[Code.cancelled, Code.deadlineExceeded, Code.aborted, Code.outOfRange],
  ...[Code.unavailable, Code.dataLoss],
]);
/** Milliseconds. */
const firstPause = 1000;
const longestPause = 5000;
/** An answer of an export has a few bytes. */
const longestAnswer = 1024 * 1024;

/** OTLP over gRPC by the runtime's own client: one connection, made at the first export. */
export class GrpcTransport implements IExporterTransport {
  readonly #options: GrpcTransportOptions;
  readonly #client: GrpcClient;
  #closed = false;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
    const { protocol, hostname, port } = new URL(options.url);
    const isSecure = protocol === "https:";
    this.#client = new GrpcClient({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || (isSecure ? 443 : 80)),
      ...(isSecure && { tls: { verify: true, ...options.tls } }),
      ...{ lazy: true, answers: { maxBytes: longestAnswer } },
    });
  }

  /** Tries again what may pass, as long as there is time. Never rejects. */
  async send(data: Uint8Array, timeout: number): Promise<ExportResponse> {
    const { path, headers, compress } = this.#options;
    const end = performance.now() + timeout;
    const options = { headers, compress, waitForConnection: true };
    for (let pause = firstPause; ; pause = Math.min(pause * 1.5, longestPause)) {
      const left = Math.max(1, end - performance.now());
      const result = await this.#client.unary(path, data, { ...options, timeout: left });
      if (result.kind === "ok") return { status: "success", data: result.message };
      const error = new Error(reasonOf(result));
      if (result.kind === "failed" && !passing.has(result.code))
        return { status: "failure", error };
      // So that those who export with others in step do not come back in step.
      const wait = pause * (0.8 + 0.4 * Math.random());
      if (this.#closed || performance.now() + wait > end) return { status: "retryable", error };
      await new Promise((resolve) => setTimeout(resolve, wait).unref());
    }
  }

  shutdown(): void {
    this.#closed = true;
    void this.#client.close();
  }
}

function reasonOf(result: Exclude<UnaryResult, { kind: "ok" }>): string {
  return result.kind === "failed" ? `${result.status}: ${result.message}` : result.reason;
}
