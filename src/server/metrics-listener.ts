import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { bind } from "./listener.ts";

export type MetricsListenerOptions = {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** The page, in Prometheus' text format, as it is now. */
  readonly render: () => string;
};

/** An open metrics port. */
export type MetricsListener = AsyncDisposable & { readonly port: number };

/** Serves `GET /metrics` (and `/`, as daprd does) until it is disposed of. Rejects when the port cannot be had. */
export async function listenForMetrics(options: MetricsListenerOptions): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0];
    const known = path === "/metrics" || path === "/";
    const reads = request.method === "GET" || request.method === "HEAD";
    if (!known || !reads) {
      response.writeHead(known ? 405 : 404, known ? { allow: "GET, HEAD" } : {}).end();
      return;
    }
    const page = Buffer.from(options.render());
    response.writeHead(200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      "content-length": page.length,
    });
    response.end(request.method === "GET" ? page : undefined);
  });
  await bind(server, { host: options.host, port: options.port });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
