import type { IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { fromBinary, type MessageShape, type DescMessage } from "@bufbuild/protobuf";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { GrpcFailure } from "../grpc/status.ts";
import type { HttpRequest, HttpResponse } from "./http-message.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { watchHealth } from "./health.ts";
import type { Reflection } from "./reflection.ts";
import type { BoundMethod } from "./service.ts";

export type ConnectOptions = {
  readonly runtime: Runtime;
  readonly methods: readonly BoundMethod[];
  readonly reflection: Reflection;
  /** The check of the lean lane: throws a {@link GrpcFailure} to refuse a call. */
  readonly admit: (headers: IncomingHttpHeaders) => void;
  readonly maxMessageSize: number;
};

/**
 * Everything that the lean lane does not take: the Connect protocol, gRPC-Web, JSON, GET and streams.
 * In a file of its own because it is loaded at the first such request.
 */
export function connectHandler(
  options: ConnectOptions,
): (request: HttpRequest, response: HttpResponse) => void {
  const { runtime, methods, reflection, admit, maxMessageSize } = options;
  const routes = (router: ConnectRouter): void => {
    for (const method of methods) addUnary(router, method);
    router.rpc(Health.method.watch, ({ service }, { signal }) =>
      watchHealth(runtime, service, reflection.services, signal),
    );
    router.rpc(ReflectionV1.method.serverReflectionInfo, (requests) =>
      reflection.answers(requests),
    );
    router.rpc(ReflectionV1Alpha.method.serverReflectionInfo, (requests) =>
      reflection.answers(requests),
    );
  };
  const handler = connectNodeAdapter({
    routes,
    readMaxBytes: maxMessageSize,
    interceptors: [
      (next) => (request) => {
        try {
          admit({ ...Object.fromEntries(request.header), ":path": new URL(request.url).pathname });
        } catch (error) {
          throw toConnectError(error);
        }
        return next(request);
      },
    ],
    fallback: (_, response) => {
      response.writeHead(404);
      response.end();
    },
  });
  return (request, response) => handler(request, response);
}

function addUnary(router: ConnectRouter, { desc, handle }: BoundMethod): void {
  router.rpc(desc, async (request: MessageShape<DescMessage>, context: HandlerContext) => {
    try {
      const { message, headers } = await handle(request, {
        headers: Object.fromEntries(context.requestHeader),
        signal: context.signal,
      });
      for (const [name, value] of Object.entries(headers ?? {})) {
        for (const one of [value].flat()) context.responseHeader.append(name, one);
      }
      return message;
    } catch (error) {
      throw toConnectError(error);
    }
  });
}

function toConnectError(error: unknown): ConnectError {
  if (!(error instanceof GrpcFailure)) return ConnectError.from(error, Code.Unknown);
  const metadata = new Headers();
  for (const [name, value] of Object.entries(error.headers ?? {})) {
    for (const one of [value].flat()) metadata.append(name, one);
  }
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
  const result = new ConnectError(error.message, error.code, metadata);
  if (error.details !== undefined) {
    const { details } = fromBinary(StatusSchema, error.details);
    result.details = details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  }
  return result;
}
