import { createServer as createHttp1Server } from "node:http";
import {
  createServer as createHttp2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { http2ServerOptions, widenWindow } from "../grpc/http2-options.ts";
import { UnaryServer } from "../grpc/server.ts";
import { daprMethods } from "../rpc/dapr.ts";
import type { RuntimeDescription } from "../rpc/description.ts";
import { unauthenticated } from "../rpc/errors.ts";
import { healthMethods } from "../rpc/health.ts";
import { operationsMethods } from "../rpc/operations.ts";
import { Reflection } from "../rpc/reflection.ts";
import { methodPath } from "../rpc/service.ts";
import { servedFiles, streamPaths } from "../rpc/served.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { DaprHttp } from "./dapr-http.ts";
import { tokenCheck } from "./gate.ts";
import type { HttpRequest, HttpResponse } from "../rpc/http-message.ts";
import { bind, listen, type Address, type Protocols } from "./listener.ts";

export type ServerOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  /** Each speaks every protocol. */
  readonly addresses: readonly Address[];
  /** Health and metadata only, without a token. */
  readonly publicAddresses?: readonly Address[];
  /** `DAPR_API_TOKEN`. */
  readonly token?: string | undefined;
  /** The largest request body or message, in bytes. Default 4 MiB. */
  readonly maxBodySize?: number;
  /** PEM texts. With them every address speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Called when a client asks the runtime to end. */
  readonly shutdown: () => void;
};

export type CufflinkServer = {
  /** What each address listens on, in their order; of use when port 0 was asked for. */
  readonly ports: readonly number[];
  /** Takes no more connections, lets calls end for at most `deadline` ms, closes. */
  close(deadline: number): Promise<void>;
};

const defaultMaxBodySize = 4 * 1024 * 1024;

/** Starts to listen. Rejects with a `BindingError` that names the address which cannot be had. */
export async function createServer(options: ServerOptions): Promise<CufflinkServer> {
  const { runtime, description, shutdown, maxBodySize = defaultMaxBodySize } = options;
  const token = tokenCheck(options.token);
  const http = new DaprHttp({ runtime, description, token, maxBodySize, shutdown });
  const reflection = new Reflection(servedFiles);
  const methods = [
    ...daprMethods({ runtime, description, shutdown }),
    ...operationsMethods(runtime),
    ...healthMethods(runtime, () => reflection.services),
  ];
  const admit = (headers: IncomingHttpHeaders): void => {
    const problem = exempt(headers[":path"]) ? undefined : token(headers);
    if (problem !== undefined) throw unauthenticated(problem);
  };
  const lean = new UnaryServer(
    new Map(methods.map(({ desc, handleBytes }) => [methodPath(desc), handleBytes])),
    { maxMessageSize: maxBodySize, admit },
  );
  const known = new Set([...methods.map(({ desc }) => methodPath(desc)), ...streamPaths]);

  let connect: Promise<(request: HttpRequest, response: HttpResponse) => void> | undefined;
  const viaConnect = (request: HttpRequest, response: HttpResponse): void => {
    connect ??= import("../rpc/connect.ts").then(({ connectHandler }) =>
      connectHandler({ runtime, methods, reflection, admit, maxMessageSize: maxBodySize }),
    );
    connect.then(
      (handle) => handle(request, response),
      () => response.destroy(),
    );
  };

  function onRequest(request: HttpRequest, response: HttpResponse): void {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    if (known.has(path)) viaConnect(request, response);
    else http.handle(request, response);
  }

  function onStream(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    raw: string[],
  ): void {
    if (lean.handle(stream, headers)) return;
    const isGrpc = /^application\/grpc(\+|;|$)/.test(headers["content-type"] ?? "");
    if (isGrpc && !known.has(headers[":path"] ?? ""))
      return sayUnimplemented(stream, headers[":path"] ?? "");
    const request = new Http2ServerRequest(stream, headers, {}, raw);
    onRequest(request, new Http2ServerResponse(stream));
  }

  const protocols = createProtocols(onRequest, onStream);
  const publicProtocols = createProtocols(
    (request, response) => http.handlePublic(request, response),
    (stream, headers, _, raw) =>
      http.handlePublic(
        new Http2ServerRequest(stream, headers, {}, raw),
        new Http2ServerResponse(stream),
      ),
  );
  const servers: Server[] = [];
  const all = [
    ...options.addresses.map((address) => ({ address, protocols })),
    ...(options.publicAddresses ?? []).map((address) => ({ address, protocols: publicProtocols })),
  ];
  try {
    for (const one of all) {
      const tls = one.protocols === protocols ? options.tls : undefined;
      servers.push(
        await (tls === undefined
          ? listen(one.address, one.protocols)
          : listenTls(one.address, tls, one.protocols)),
      );
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    ports: servers.map((server) => portOf(server)),
    async close(deadline) {
      for (const server of servers) server.close();
      await Promise.all([protocols.end(deadline), publicProtocols.end(deadline)]);
    },
  };
}

type ProtocolServers = Protocols & {
  end(deadline: number): Promise<void>;
};

function createProtocols(
  onRequest: (request: HttpRequest, response: HttpResponse) => void,
  onStream: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    raw: string[],
  ) => void,
): ProtocolServers {
  // Node's defaults cut pooled clients off after 5 s, and requests after 300 s.
  const http1 = createHttp1Server(
    {
      keepAliveTimeout: 75_000,
      requestTimeout: 0,
      headersTimeout: 60_000,
      maxHeaderSize: 8192,
      noDelay: true,
    },
    onRequest,
  );
  const http2 = createHttp2Server(http2ServerOptions);
  // It never listens itself, but begins with that to look after idle connections and slow headers.
  http1.emit("listening");
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const untold = new Set<Socket>();
  http1.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  http2.on("session", (session) => {
    sessions.add(session);
    widenWindow(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
  });
  http2.on("sessionError", () => undefined);
  http2.on("stream", onStream);
  return {
    http1,
    http2,
    untold,
    async end(deadline) {
      for (const socket of untold) socket.destroy();
      http1.close();
      http1.closeIdleConnections();
      for (const session of sessions) session.close();
      const until = Date.now() + deadline;
      while ((sessions.size > 0 || sockets.size > 0) && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        http1.closeIdleConnections();
      }
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listenTls(
  address: Address,
  tls: { cert: string; key: string },
  { http1, http2 }: ProtocolServers,
): Promise<Server> {
  const server = createTlsServer(
    { ...tls, ALPNProtocols: ["h2", "http/1.1"], minVersion: "TLSv1.2", noDelay: true },
    (socket) => (socket.alpnProtocol === "h2" ? http2 : http1).emit("connection", socket),
  );
  server.on("tlsClientError", (_, socket) => socket.destroy());
  await bind(server, address);
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

/** Health needs no token: it is used by probes. */
function exempt(path: string | undefined): boolean {
  return path?.startsWith("/grpc.health.v1.Health/") ?? false;
}

function sayUnimplemented(stream: ServerHttp2Stream, path: string): void {
  stream.on("error", () => undefined);
  stream.resume();
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": "12",
      "grpc-message": `unknown method ${path.replaceAll(/[^\x20-\x24\x26-\x7e]/g, "?")}`,
    },
    { endStream: true },
  );
}
