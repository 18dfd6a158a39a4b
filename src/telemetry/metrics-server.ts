import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Metrics } from "./metrics.ts";
import { openMetricsText, openMetricsType } from "./openmetrics-text.ts";
import { prometheusText, prometheusType } from "./prometheus-text.ts";
import { bytesOfPieces } from "./slices.ts";
import { prefersOpenMetrics } from "./text-negotiation.ts";

type MetricsGate = {
  admitsRequest(request: IncomingMessage, response: ServerResponse): boolean;
};

/** The most connections to the page at one time. */
const mostScrapers = 100;

/**
 * A server for `/metrics` in the text format that `Accept` asks for, to be bound by the caller. `gate`: answers those that
 * may not ask.
 */
export function createMetricsServer(
  metrics: Pick<Metrics, "collect" | "appId">,
  gate?: MetricsGate,
): Server {
  const timeouts = { headersTimeout: 10_000, connectionsCheckingInterval: 5_000 };
  const server = createServer(timeouts, (request, response) => {
    if (gate?.admitsRequest(request, response) === false) return;
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== "/metrics" && path !== "/") {
      response.writeHead(404).end();
      return;
    }
    const [write, type] = prefersOpenMetrics(request.headers.accept)
      ? [openMetricsText, openMetricsType]
      : [prometheusText, prometheusType];
    void metrics
      .collect()
      .then((families) => bytesOfPieces(write(families, { app_id: metrics.appId })))
      .then((page) => response.writeHead(200, { "content-type": type, vary: "accept" }).end(page))
      .catch(() => response.destroy());
  });
  server.maxConnections = mostScrapers;
  return server;
}
