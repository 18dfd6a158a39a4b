import { installGoProgram, installedGoProgram, type GoProgram } from "./go-install.ts";

const program: GoProgram = {
  ...{ name: "jaeger", folder: "jaeger" },
  module: "github.com/jaegertracing/jaeger/cmd/jaeger",
  ...{ version: "v1.76.0", asRequirement: true },
};

/** Where Jaeger's program is, built unless it is there, which takes minutes. Rejects with the reason where it cannot be. */
export async function jaegerProgram(): Promise<string> {
  await installGoProgram(program);
  return installedGoProgram(program);
}

/** A configuration with everything on loopback and in memory. */
export function jaegerConfiguration(ports: {
  readonly grpc: number;
  readonly http: number;
  readonly query: number;
  readonly queryGrpc: number;
}): string {
  return JSON.stringify({
    service: {
      extensions: ["jaeger_storage", "jaeger_query"],
      pipelines: {
        traces: {
          receivers: ["otlp"],
          processors: ["batch"],
          exporters: ["jaeger_storage_exporter"],
        },
      },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
    extensions: {
      jaeger_query: {
        storage: { traces: "memory" },
        http: { endpoint: `127.0.0.1:${ports.query}` },
        grpc: { endpoint: `127.0.0.1:${ports.queryGrpc}` },
      },
      jaeger_storage: { backends: { memory: { memory: { max_traces: 10_000 } } } },
    },
    receivers: {
      otlp: {
        protocols: {
          grpc: { endpoint: `127.0.0.1:${ports.grpc}` },
          http: { endpoint: `127.0.0.1:${ports.http}` },
        },
      },
    },
    processors: { batch: { timeout: "100ms" } },
    exporters: { jaeger_storage_exporter: { trace_storage: "memory" } },
  });
}
