import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { requestHeadOf } from "../grpc/handler-context.ts";
import { createService, type RawMethods, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeBatch } from "./invocation-batch.ts";
import { InvocationStream } from "./invocation-stream.ts";
import { isTraceparent } from "../runtime/trace.ts";
import { baggageProblem, traceOfRequest } from "./trace.ts";

export type BindingsOptions = {
  readonly runtime: Runtime;
  /** The largest message, in bytes. */
  readonly maxBodySize: number;
  /** For the payloads of streams of invocations. Default: a budget of its own. */
  readonly memory?: MemoryShare | undefined;
  /** Serves an event stream that the app has dialled, on encoded messages. Absent: there are none. */
  readonly subscribe?:
    | ((messages: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>)
    | undefined;
};

/** What the settlements of one message may take beside a reply of the largest size. */
const settlementBytes = 512 * 1024;

/** `cufflink.v1.Bindings`: events without a port of the app's own, and many invocations at once. */
export function bindingsService(options: BindingsOptions): Service {
  const { subscribe, maxBodySize } = options;
  const raw: RawMethods<typeof Bindings> =
    subscribe === undefined
      ? {}
      : {
          subscribeBindings(messages, context) {
            // A message may have settlements of other events beside a reply.
            const most = Math.max(maxBodySize - settlementBytes, Math.floor(maxBodySize / 2));
            context.setHeaders({ "cufflink-max-reply-bytes": String(most) });
            context.sendHeaders();
            return subscribe(messages);
          },
        };
  return createService(Bindings, invocationMethods(options), raw);
}

/** The methods of `cufflink.v1.Bindings` that invoke outputs. */
export function invocationMethods({
  runtime,
  maxBodySize,
  memory = new MemoryBudget().share("streams"),
}: Pick<BindingsOptions, "runtime" | "maxBodySize" | "memory">): Pick<
  ServiceImpl<typeof Bindings>,
  "invokeBindingBatch" | "invokeBindingStream"
> {
  return {
    async invokeBindingBatch({ invocations }, context) {
      const trace = tracer(context);
      return {
        results: await invokeBatch(invocations, { runtime, maxBodySize, trace, caller: context }),
      };
    },
    invokeBindingStream(requests, context) {
      const { signal } = context;
      const options = { runtime, maxBodySize, memory, trace: tracer(context), signal };
      return new InvocationStream(options).answers(requests);
    },
  };
}

/** The trace context of each invocation of a call: the call's own where its headers have one. */
function tracer(
  context: HandlerContext,
): (metadata: Readonly<Record<string, string>>) => Record<string, string> {
  const head = requestHeadOf(context);
  const problem = baggageProblem(head);
  if (problem !== undefined) throw new GrpcFailure(Code.invalidArgument, problem);
  if (!isTraceparent(head.get("traceparent"))) {
    return (metadata) => traceOfRequest(head, metadata);
  }
  const shared = traceOfRequest(head);
  return () => shared;
}
