import { ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { GrpcFailure } from "../grpc/status.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { invocationMethods } from "./bindings.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A client of the invocation methods alone, with no wire between. */
export function bindingsClient(
  runtime: Runtime,
  maxBodySize: number = 4 * 1024 * 1024,
  memory?: MemoryShare,
) {
  const methods = invocationMethods({ runtime, maxBodySize, memory });
  const transport = createRouterTransport((router) => router.service(Bindings, methods), {
    router: {
      interceptors: [
        (next) => async (request) => {
          try {
            const response = await next(request);
            if (!response.stream) return response;
            return { ...response, message: translating(response.message) };
          } catch (error) {
            throw translated(error);
          }
        },
      ],
    },
  });
  return createClient(Bindings, transport);
}

async function* translating<Message>(messages: AsyncIterable<Message>): AsyncIterable<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw translated(error);
  }
}

function translated(error: unknown): unknown {
  if (!(error instanceof GrpcFailure)) return error;
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
  return new ConnectError(error.message, error.code);
}
