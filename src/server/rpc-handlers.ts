import {
  constants,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { GrpcServer } from "../grpc/server.ts";
import { methodPath, methodsOf, type Service } from "../grpc/service.ts";
import { Code, encodeGrpcMessage } from "../grpc/status.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { ConnectHandler } from "../rpc/connect.ts";
import { isStreamed, type HttpRequest, type HttpResponse } from "../rpc/http-message.ts";
import { notHere } from "./other-blocks.ts";

export type RpcHandlerOptions = {
  readonly services: readonly Service[];
  /** The largest message either way, in bytes. */
  readonly maxMessageSize: number;
  /** The largest answer, where that is another. Default: `maxMessageSize`. */
  readonly maxAnswerSize?: number;
  /** The flag by which a person sets these limits, named in the errors. */
  readonly limitFlag?: string;
  /** Called before anything of a request's body is read; throws a `GrpcFailure` to refuse the call. */
  readonly admit?: (headers: IncomingHttpHeaders) => void;
  /** Messages of at least so many bytes are compressed for gRPC's callers that accept it. Default: none is. */
  readonly compressMinBytes?: number;
};

/**
 * Two paths for calls of the same services. Each method tells whether it took the request, which then counts in
 * the memory of its listener.
 */
export type RpcHandlers = {
  /** An HTTP/2 stream, as the server's event `stream` hands it over. */
  onStream(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: string[],
    memory: MemoryShare,
  ): boolean;
  /** A request over HTTP/1.1. */
  onRequest(request: HttpRequest, response: HttpResponse, memory: MemoryShare): boolean;
};

/**
 * Serves services by gRPC, gRPC-Web and Connect. gRPC with binary messages takes the fast path, straight on
 * HTTP/2 streams; everything else goes to Connect, which is loaded at the first such request.
 */
export function createRpcHandlers(options: RpcHandlerOptions): RpcHandlers {
  const { services, maxMessageSize, limitFlag, compressMinBytes, admit = () => {} } = options;
  const { maxAnswerSize = maxMessageSize } = options;
  const methods = new Map(services.flatMap((service) => [...methodsOf(service)]));
  const grpc = new GrpcServer(methods, {
    maxMessageSize,
    maxAnswerSize,
    limitFlag,
    compressMinBytes,
    admit,
  });
  const known = new Set(services.flatMap(({ desc }) => desc.methods.map(methodPath)));

  let connect: Promise<ConnectHandler> | undefined;
  function viaConnect(request: HttpRequest, response: HttpResponse, memory: MemoryShare): void {
    connect ??= import("../rpc/connect.ts").then(({ connectHandler }) =>
      connectHandler({ services, admit, maxMessageSize, maxAnswerSize, limitFlag }),
    );
    connect.then(
      (handle) => handle(request, response, memory),
      () => response.destroy(),
    );
  }

  return {
    onStream(stream, headers, rawHeaders, memory) {
      if (grpc.handle({ stream, headers, rawHeaders, memory })) return true;
      const path = (headers[":path"] ?? "").split("?", 1)[0] ?? "";
      const isGrpc = /^application\/grpc(\+|;|$)/.test(headers["content-type"] ?? "");
      if (isGrpc && !methods.has(path)) {
        sayUnimplemented(stream, path);
        return true;
      }
      if (!known.has(path)) return false;
      const response = new Http2ServerResponse(stream);
      refuseTheRest(stream, response);
      viaConnect(new Http2ServerRequest(stream, headers, {}, rawHeaders), response, memory);
      return true;
    },
    onRequest(request, response, memory) {
      const path = (request.url ?? "").split("?", 1)[0] ?? "";
      if (!known.has(path)) return false;
      discardBody(request, response);
      // Connect may leave a stream's connection behind in a state in which the next request is not answered.
      if ("shouldKeepAlive" in response && isStreamed(request)) response.shouldKeepAlive = false;
      viaConnect(request, response, memory);
      return true;
    },
  };
}

/**
 * Node reads no more from an HTTP/1.1 connection whose request was read only in part, as one above the limit
 * is: the next request on it would never be answered.
 */
function discardBody(request: HttpRequest, response: HttpResponse): void {
  response.once("finish", () => {
    if (request.readableEnded) return;
    request.removeAllListeners("readable");
    request.on("data", (chunk: Buffer) => bytesPassed(chunk.length));
    setImmediate(() => request.resume());
  });
}

/** The same over HTTP/2: its caller is told that the rest is not wanted. */
function refuseTheRest(stream: ServerHttp2Stream, response: Http2ServerResponse): void {
  response.once("finish", () => {
    if (stream.readableEnded) return;
    stream.resume();
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  });
}

function sayUnimplemented(stream: ServerHttp2Stream, path: string): void {
  stream.on("error", () => undefined);
  stream.resume();
  const isDapr = path.startsWith("/dapr.proto.runtime.v1.Dapr/");
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(Code.unimplemented),
      "grpc-message": encodeGrpcMessage(`unknown method ${path}${isDapr ? `: it ${notHere}` : ""}`),
    },
    { endStream: true },
  );
}
