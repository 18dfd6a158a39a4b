import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";

/** How a runtime and its app speak to each other. */
export type Road = "http" | "grpc";

/** One event as the app got it. */
export type SeenEvent = {
  /** The binding's name, or the path. */
  readonly at: string;
  /** The body or the data, as text. */
  readonly body: string;
  /** What came beside it, without what belongs to the transport, sorted by name; over HTTP in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
};

export type RecordingApp = AsyncDisposable & {
  readonly port: number;
  readonly events: readonly SeenEvent[];
};

/** An app that wants these bindings, handles all events but those that it is to refuse, and keeps what it got. */
export async function startRecordingApp(
  road: Road,
  bindings: readonly string[],
  refuses: (event: SeenEvent) => boolean = () => false,
): Promise<RecordingApp> {
  const events: SeenEvent[] = [];
  const handles = (event: SeenEvent): boolean => {
    const isRefused = refuses(event);
    events.push(event);
    return !isRefused;
  };
  const sockets = new Set<Socket | ServerHttp2Session>();
  const server = (road === "http" ? httpServer : grpcServer)(bindings, handles);
  server.on(road === "http" ? "connection" : "session", (one: Socket | ServerHttp2Session) => {
    sockets.add(one);
    one.once("close", () => sockets.delete(one));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    events,
    async [Symbol.asyncDispose]() {
      for (const one of sockets) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Handles = (event: SeenEvent) => boolean;

function httpServer(bindings: readonly string[], handles: Handles) {
  return createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url = "" } = request;
      const wanted = bindings.includes(url.slice(1));
      if (!wanted) return response.writeHead(404).end();
      if (method !== "POST") return response.end();
      const body = Buffer.concat(chunks).toString();
      const isHandled = handles({ at: url, body, metadata: metadataOf(request.headers) });
      return response.writeHead(isHandled ? 200 : 500).end();
    });
  });
}

function grpcServer(bindings: readonly string[], handles: Handles) {
  return createHttp2Server(
    connectNodeAdapter({
      routes: (router) =>
        router.service(AppCallback, {
          listInputBindings: () => ({ bindings: [...bindings] }),
          onBindingEvent({ name, data, metadata }) {
            const body = Buffer.from(data).toString();
            if (handles({ at: name, body, metadata: metadataOf(metadata) })) return {};
            throw new ConnectError("refused", Code.Aborted);
          },
        }),
    }),
  );
}

/** Of HTTP itself, of the trace, and of the runtime about the delivery. */
const transport =
  /^(?:host|connection|user-agent|content-length|accept-encoding|transfer-encoding|traceparent|tracestate|grpc-trace-bin|cufflink-.*)$/i;

function metadataOf(fields: IncomingHttpHeaders | Record<string, string>): Record<string, string> {
  const own = Object.entries(fields).filter(([name]) => !transport.test(name));
  own.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]));
}
