import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { CallOptions, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { DeadLetters } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { History } from "../../gen/cufflink/v1/history_pb.ts";
import { Operations } from "../../gen/cufflink/v1/operations_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { BindingError, messageOf } from "../errors.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import { answering, answeringEach } from "./errors.ts";

/** The services of a daemon elsewhere. */
export type RemoteDaemon = Disposable & { readonly services: readonly Service[] };

const forwarded: readonly DescService[] = [Operations, History, DeadLetters, Dapr, Health];
/** The caller of each call says how long it waits. */
const longest = 24 * 3600 * 1000;

/**
 * The services of a daemon elsewhere as if they were here: each call goes there, and fails as it fails there, or as UNAVAILABLE
 * while nobody answers. Connects at the first call. Methods whose callers send several messages are left out.
 */
export function remoteDaemon(options: Omit<CallerOptions, "timeout">): RemoteDaemon {
  const caller = new Caller({ ...options, timeout: longest });
  return {
    services: forwarded.map((desc) => forwardingService(desc, caller)),
    [Symbol.dispose]: () => caller.close(),
  };
}

type Unary = (request: Message, options: CallOptions) => Promise<Message>;
type Streaming = (request: Message, options: CallOptions) => AsyncIterable<Message>;

function forwardingService(desc: DescService, caller: Caller): Service {
  const client: Readonly<Record<string, unknown>> = caller.client(desc);
  const methods = desc.methods.flatMap((method) => {
    const forward = forwarding(method, client[method.localName], caller);
    return forward === undefined ? [] : [[method.localName, forward] as const];
  });
  return createService<DescService>(
    desc,
    Object.fromEntries(methods) as unknown as Partial<ServiceImpl<DescService>>,
  );
}

function forwarding({ methodKind }: DescMethod, method: unknown, caller: Caller): unknown {
  if (methodKind === "unary") {
    return (request: Message, context: HandlerContext) =>
      answering(() => {
        const call = (options: CallOptions): Promise<Message> =>
          (method as Unary)(request, { ...options, signal: context.signal });
        return caller.call(call, context.timeoutMs() ?? longest).catch(asOfDaemon);
      });
  }
  if (methodKind !== "server_streaming") return undefined;
  return (request: Message, { signal }: HandlerContext) =>
    answeringEach(
      ofDaemon(caller.stream((options) => (method as Streaming)(request, options), signal)),
      (message) => message,
    );
}

async function* ofDaemon(messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    asOfDaemon(error);
  }
}

/** The daemon's token is not the one that a person gives here. */
function asOfDaemon(error: unknown): never {
  if (error instanceof BindingError && error.reason === "unauthenticated")
    throw new GrpcFailure(
      Code.failedPrecondition,
      `the daemon refuses this console: ${messageOf(error)}`,
    );
  throw error;
}
