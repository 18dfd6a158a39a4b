import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import type { GrpcMethod } from "../../src/grpc/method.ts";
import { refuseCall } from "../../src/grpc/refusal.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { ConnectionGroup } from "../../src/http2/connection-group.ts";
import { Http2ServerConnection } from "../../src/http2/server-connection.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

/** Serves methods by path on a port of loopback. `close` lets the calls in flight end. */
export async function serveMethods(
  methods: ReadonlyMap<string, GrpcMethod>,
  port: number,
  secure: { readonly cert: Buffer; readonly key: Buffer } | undefined,
): Promise<{ close(): Promise<void> }> {
  const limits = { maxMessageSize: 64 * 1024 * 1024, compressMinBytes: 1024 };
  const grpc = new GrpcServer(methods, limits);
  const memory = new MemoryBudget(2 ** 30).share("peers", 2 ** 30);
  const group = new ConnectionGroup<Http2ServerConnection>(memory);
  const take = (socket: net.Socket): void => {
    void new Http2ServerConnection(socket, {
      group,
      onStream: (stream, head) =>
        grpc.handle({ stream, head, memory }) ?? refuseCall(stream, 12, "no such method"),
    });
  };
  const server =
    secure === undefined
      ? net.createServer({ noDelay: true }, take)
      : tls.createServer({ noDelay: true, ALPNProtocols: ["h2"], ...secure }, take);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const connection of group.connections) connection.close();
      await closed;
    },
  };
}
