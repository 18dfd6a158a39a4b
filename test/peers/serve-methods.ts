import { once } from "node:events";
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { http2ServerOptions, widenWindow } from "../../src/grpc/http2-options.ts";
import type { GrpcMethod } from "../../src/grpc/method.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

/** Serves methods by path on a port of loopback. `close` lets the calls in flight end. */
export async function serveMethods(
  methods: ReadonlyMap<string, GrpcMethod>,
  port: number,
  tls: { readonly cert: Buffer; readonly key: Buffer } | undefined,
): Promise<{ close(): Promise<void> }> {
  const grpc = new GrpcServer(methods, {
    maxMessageSize: 64 * 1024 * 1024,
    compressMinBytes: 1024,
  });
  const memory = new MemoryBudget(2 ** 30).share("peers", 2 ** 30);
  const server =
    tls === undefined
      ? http2.createServer(http2ServerOptions)
      : http2.createSecureServer({ ...http2ServerOptions, ...tls });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    widenWindow(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
    stream.on("error", () => {});
    if (grpc.handle({ stream, headers, rawHeaders, memory })) return;
    const refused = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
    stream.respond(refused, { endStream: true });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions) session.close();
      await closed;
    },
  };
}
