import { once } from "node:events";
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { http2ServerOptions, widenWindow } from "../../src/grpc/http2-options.ts";
import type { GrpcMethod, StreamMethod, UnaryMethod } from "../../src/grpc/method.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import type { ServerCallOptions } from "../../src/grpc/server-call.ts";
import { MemoryBudget, type MemoryShare } from "../../src/memory/budget.ts";

export type ServedMethods = AsyncDisposable & {
  readonly port: number;
  /** What calls hold. */
  readonly memory: MemoryShare;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
};

/** Serves methods by path, with the settings of production. Streams of other paths are answered 418. */
export async function serveMethods(
  methods: {
    unary?: Readonly<Record<string, UnaryMethod>>;
    streams?: Readonly<Record<string, StreamMethod>>;
  },
  { mostHeld = 2 ** 30, ...options }: Partial<ServerCallOptions> & { mostHeld?: number } = {},
): Promise<ServedMethods> {
  const all = new Map<string, GrpcMethod>();
  for (const [path, handle] of Object.entries(methods.unary ?? {}))
    all.set(path, { kind: "unary", handle });
  for (const [path, handle] of Object.entries(methods.streams ?? {}))
    all.set(path, { kind: "stream", handle });
  const grpc = new GrpcServer(all, { maxMessageSize: 4 * 1024 * 1024, ...options });
  const memory = new MemoryBudget(mostHeld).share("test", mostHeld);
  const server = http2.createServer(http2ServerOptions);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    widenWindow(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
    if (grpc.handle({ stream, headers, rawHeaders, memory })) return;
    stream.respond({ ":status": 418 }, { endStream: true });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    memory,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
