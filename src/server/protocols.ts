import { createServer as createHttp1Server } from "node:http";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { http2ServerOptions, widenWindow } from "../grpc/http2-options.ts";
import { onOpenStream } from "../grpc/open-streams.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import { isStreamed, type HttpRequest, type HttpResponse } from "../rpc/http-message.ts";
import type { Protocols } from "./listener.ts";
import { watchRequest } from "./watched-request.ts";

/** The two servers of a port, and how they end. */
export type ProtocolServers = Protocols & {
  /** Lets calls end for at most `deadline` ms, then cuts them. */
  end(deadline: number): Promise<void>;
};

/**
 * Makes servers of HTTP/1.1 and HTTP/2 that hand all they get to these two functions, with the memory that it counts
 * in. They listen nowhere themselves.
 */
export function createProtocols(
  onRequest: (request: HttpRequest, response: HttpResponse, memory: MemoryShare) => void,
  onStream: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: string[],
    memory: MemoryShare,
  ) => void,
  memory: MemoryShare = new MemoryBudget().share("http"),
): ProtocolServers {
  // Node's defaults cut pooled clients off after 5 s, and requests after 300 s, however fast they come. Idle connections
  // have no limit here, as with daprd: what is gone is noticed by TCP's keep-alive. Requests must not stop.
  const http1 = createHttp1Server(
    {
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 8192,
      noDelay: true,
    },
    (request, response) => {
      watchRequest(request, response, isStreamed(request));
      onRequest(request, response, memory);
    },
  );
  const http2 = createHttp2Server(http2ServerOptions);
  // It never listens itself, but begins with that to look after idle connections and slow headers.
  http1.emit("listening");
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const unidentified = new Set<Socket>();
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
  onOpenStream(http2, (stream, headers, _flags, raw) => onStream(stream, headers, raw, memory));
  return {
    http1,
    http2,
    unidentified,
    async end(deadline) {
      for (const socket of unidentified) socket.destroy();
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
