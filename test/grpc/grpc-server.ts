import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Http2Listener } from "../../src/grpc/http2-listener.ts";
import type { GrpcMethod, StreamMethod, UnaryMethod } from "../../src/grpc/method.ts";
import { answered } from "../../src/grpc/refusal.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import type { ServerCallOptions } from "../../src/grpc/server-call.ts";
import type { Http2Connection } from "../../src/http2/connection.ts";
import { MemoryBudget, type MemoryShare } from "../../src/memory/budget.ts";

export type ServedMethods = AsyncDisposable & {
  readonly port: number;
  /** What calls hold. */
  readonly memory: MemoryShare;
  readonly connections: ReadonlySet<Http2Connection>;
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
  const listener = new Http2Listener({
    memory,
    onStream(stream, head) {
      const call = grpc.handle({ stream, head, memory });
      if (call !== undefined) return call;
      stream.sendHeaders([":status", "418"], true);
      if (!stream.isReceived) stream.endEarly();
      return answered;
    },
  });
  const { server } = listener;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    memory,
    connections: listener.connections,
    async [Symbol.asyncDispose]() {
      listener.destroyConnections();
      await listener.stop();
    },
  };
}
