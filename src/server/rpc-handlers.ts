import { refuseCall } from "../grpc/refusal.ts";
import type { RequestHead } from "../grpc/request-head.ts";
import { GrpcServer } from "../grpc/server.ts";
import { methodPath, methodsOf, type Service } from "../grpc/service.ts";
import { Code } from "../grpc/status.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { ConnectHandler } from "../rpc/connect.ts";
import { pathOf, type HttpExchange } from "../rpc/http-exchange.ts";
import { isGrpc } from "./callers.ts";
import { notHere } from "./other-blocks.ts";

export type RpcHandlerOptions = {
  readonly services: readonly Service[];
  /** What stands before the paths of requests other than of gRPC. Default: nothing. */
  readonly prefix?: string;
  /** The largest message either way, in bytes. */
  readonly maxMessageSize: number;
  /** The largest answer, where that is another. Default: `maxMessageSize`. */
  readonly maxAnswerSize?: number;
  /** The flag by which a person sets these limits, named in the errors. */
  readonly limitFlag?: string;
  /** Called before anything of a request's body is read; throws a `GrpcFailure` to refuse the call. */
  readonly admit?: (head: RequestHead) => void;
  /** Messages of at least so many bytes are compressed for gRPC's callers that accept it. Default: none is. */
  readonly compressMinBytes?: number;
};

/** Two paths for calls of the same services, which count in the memory of their listener. */
export type RpcHandlers = {
  /** A stream of HTTP/2 that calls by gRPC. `undefined`: it is none, or one for {@link onRequest}. */
  onStream(stream: Http2Stream, head: HeaderBlock, memory: MemoryShare): StreamListener | undefined;
  /** Any other request; false: it is somebody else's. */
  onRequest(exchange: HttpExchange, memory: MemoryShare): boolean;
};

/**
 * Serves services by gRPC, gRPC-Web and Connect. gRPC with binary messages takes the fast path, straight on
 * HTTP/2 streams; everything else goes to Connect, which is loaded at the first such request.
 */
export function createRpcHandlers(options: RpcHandlerOptions): RpcHandlers {
  const { services, maxMessageSize, limitFlag, compressMinBytes, admit = () => {} } = options;
  const { maxAnswerSize = maxMessageSize, prefix = "" } = options;
  const methods = new Map(services.flatMap((service) => [...methodsOf(service)]));
  const grpc = new GrpcServer(methods, {
    maxMessageSize,
    maxAnswerSize,
    limitFlag,
    compressMinBytes,
    admit,
  });
  const known = new Set(
    services.flatMap(({ desc }) => desc.methods.map((method) => prefix + methodPath(method))),
  );

  let connect: Promise<ConnectHandler> | undefined;
  function viaConnect(exchange: HttpExchange, memory: MemoryShare): void {
    connect ??= import("../rpc/connect.ts").then(({ connectHandler }) =>
      connectHandler({ services, prefix, admit, maxMessageSize, maxAnswerSize, limitFlag }),
    );
    connect.then(
      (handle) => handle(exchange, memory),
      () => exchange.abort(),
    );
  }

  return {
    onStream(stream, head, memory) {
      const call = grpc.handle({ stream, head, memory });
      if (call !== undefined || !isGrpc(head.get("content-type"))) return call;
      const path = pathOf(head.get(":path") ?? "");
      return methods.has(path) ? undefined : sayUnimplemented(stream, path);
    },
    onRequest(exchange, memory) {
      if (!known.has(pathOf(exchange.target))) return false;
      viaConnect(exchange, memory);
      return true;
    },
  };
}

function sayUnimplemented(stream: Http2Stream, path: string): StreamListener {
  const isDapr = path.startsWith("/dapr.proto.runtime.v1.Dapr/");
  const text = `unknown method ${path}${isDapr ? `: it ${notHere}` : ""}`;
  return refuseCall(stream, Code.unimplemented, text);
}
