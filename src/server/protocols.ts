import { createServer as createHttp1Server, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Http2Connection } from "../http2/connection.ts";
import { ConnectionGroup } from "../http2/connection-group.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import { Http2ServerConnection } from "../http2/server-connection.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import { isStreamed, type HttpExchange } from "../rpc/http-exchange.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import type { Protocols } from "./listener.ts";
import { watchRequest } from "./watched-request.ts";

/** Serves the connections of a port, and how they end. */
export type ProtocolServers = Protocols & {
  /** The same on any stream of bytes. */
  acceptHttp2(socket: Duplex, first?: Buffer): void;
  /** Node's server of HTTP/1.1, which listens nowhere itself. */
  readonly http1: Server;
  /** Lets calls end for at most `deadline` ms, then cuts them. */
  end(deadline: number): Promise<void>;
};

/**
 * Serves connections of HTTP/1.1 and HTTP/2, and hands all they bring to these two functions, with the memory that it
 * counts in. It listens nowhere itself.
 */
export function createProtocols(
  onRequest: (exchange: HttpExchange, memory: MemoryShare) => void,
  onStream: (stream: Http2Stream, head: HeaderBlock, memory: MemoryShare) => StreamListener,
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
      const exchange = new Http1Exchange(request, response);
      watchRequest(request, response, isStreamed(exchange));
      onRequest(exchange, memory);
    },
  );
  // It never listens itself, but begins with that to look after idle connections and slow headers.
  http1.emit("listening");
  const sockets = new Set<Socket>();
  http1.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const group = new ConnectionGroup<Http2Connection>(memory);
  const options = {
    group,
    onStream: (stream: Http2Stream, head: HeaderBlock) => onStream(stream, head, memory),
  };
  const unidentified = new Set<Socket>();
  return {
    http1,
    unidentified,
    acceptHttp1(socket, first) {
      if (first !== undefined) {
        socket.pause();
        socket.unshift(first);
      }
      http1.emit("connection", socket);
      if (first !== undefined) socket.resume();
    },
    acceptHttp2(socket, first) {
      // Its group keeps it.
      void new Http2ServerConnection(socket, first === undefined ? options : { ...options, first });
    },
    async end(deadline) {
      for (const socket of unidentified) socket.destroy();
      http1.close();
      http1.closeIdleConnections();
      for (const connection of group.connections) connection.close();
      const until = Date.now() + deadline;
      while ((group.connections.size > 0 || sockets.size > 0) && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        http1.closeIdleConnections();
      }
      for (const connection of group.connections) connection.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
