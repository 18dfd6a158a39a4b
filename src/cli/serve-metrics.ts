import type { CallerGate } from "../server/caller-gate.ts";
import { bind } from "../server/listener.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createMetricsServer } from "../telemetry/metrics-server.ts";
import type { ServeOptions } from "./serve-options.ts";

/** Serves the metrics, as the flags say. Resolves, once the port listens, to what ends that. */
export async function serveMetrics(
  { metricsListenAddress, metricsPort }: ServeOptions,
  metrics: Metrics,
  gate: CallerGate,
): Promise<() => void> {
  const server = createMetricsServer(metrics, gate);
  await bind(server, {
    ...{ host: metricsListenAddress, port: metricsPort },
    flags: { place: "--metrics-port", host: "--metrics-listen-address" },
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
