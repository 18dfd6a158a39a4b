import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Server as NetServer, AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";

type Received = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

export type Responder = (received: Received, response: ServerResponse) => void;

/** An HTTP server on loopback that keeps what it received. */
export type LoopbackServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
};

/** Listens on a free port; `create` makes the server where it is not a plain one. */
export async function startLoopback(
  respond: Responder = (_received, response) => void response.end(),
  create: (listener: RequestListener) => NetServer = (listener) => createServer(listener),
  scheme = "http",
): Promise<LoopbackServer> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const server = create((request, response) => {
    // A request that is cut off was not received.
    const cutOff = (): void => undefined;
    void buffer(request).then((body) => {
      const { method, url, headers, rawHeaders } = request;
      const one = { method, url, headers, rawHeaders, body };
      received.push(one);
      respond(one, response);
    }, cutOff);
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const port = await listen(server);
  return {
    port,
    received,
    url: `${scheme}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Listens on a free loopback port, and resolves to it. */
export async function listen(server: NetServer | Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
