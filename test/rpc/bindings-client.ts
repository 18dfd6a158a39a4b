import { ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { GrpcFailure } from "../../src/grpc/status.ts";
import { invocationMethods } from "../../src/rpc/bindings.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";

/** A client of the invocation methods alone, with no wire between. */
export function bindingsClient(runtime: Runtime, maxBodySize = 4 * 1024 * 1024) {
  const methods = invocationMethods({ runtime, maxBodySize });
  const transport = createRouterTransport((router) => router.service(Bindings, methods), {
    router: {
      interceptors: [
        (next) => async (request) => {
          try {
            return await next(request);
          } catch (error) {
            if (!(error instanceof GrpcFailure)) throw error;
            // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
            throw new ConnectError(error.message, error.code);
          }
        },
      ],
    },
  });
  return createClient(Bindings, transport);
}
