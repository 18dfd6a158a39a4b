import { createServer, type Server } from "node:net";
import type { Http2Connection } from "../http2/connection.ts";
import { ConnectionGroup, type ConnectionMemory } from "../http2/connection-group.ts";
import { Http2ServerConnection } from "../http2/server-connection.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";

export type Http2ListenerOptions = {
  /** Answers a stream; what it returns is told what becomes of it. */
  readonly onStream: (stream: Http2Stream, head: HeaderBlock) => StreamListener;
  /** What connections and their streams may hold. */
  readonly memory: ConnectionMemory;
};

/** Serves HTTP/2, and nothing else, on the connections of a server that its owner has listen. */
export class Http2Listener {
  readonly server: Server;
  readonly #group: ConnectionGroup<Http2Connection>;

  constructor({ onStream, memory }: Http2ListenerOptions) {
    const group = new ConnectionGroup<Http2Connection>(memory);
    this.#group = group;
    this.server = createServer(
      { noDelay: true },
      (socket) => void new Http2ServerConnection(socket, { onStream, group }),
    );
  }

  get connections(): ReadonlySet<Http2Connection> {
    return this.#group.connections;
  }

  /** Has the connections end in good order, each when its streams have ended. New ones are taken. */
  endConnections(): void {
    for (const connection of this.connections) connection.close();
  }

  /** Takes no more connections. Resolves when those that there are have ended. */
  stop(): Promise<void> {
    return new Promise((resolve) => void this.server.close(() => resolve()));
  }

  /** Ends all connections at once. */
  destroyConnections(): void {
    for (const connection of this.connections) connection.destroy();
  }
}
