import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { createService, type RawMethods, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeBatch } from "./invocation-batch.ts";
import { isTraceparent } from "../runtime/trace.ts";
import { baggageProblem, traceOfRequest } from "./trace.ts";

export type BindingsOptions = {
  readonly runtime: Runtime;
  /** The largest message, in bytes. */
  readonly maxBodySize: number;
  /** Serves an event stream that the app has dialled, on encoded messages. Absent: there are none. */
  readonly subscribe?:
    | ((messages: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>)
    | undefined;
};

/** `cufflink.v1.Bindings`: events without a port of the app's own, and many invocations at once. */
export function bindingsService(options: BindingsOptions): Service {
  const { subscribe } = options;
  const raw: RawMethods<typeof Bindings> =
    subscribe === undefined
      ? {}
      : {
          subscribeBindings(messages, context) {
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
}: Pick<BindingsOptions, "runtime" | "maxBodySize">): Pick<
  ServiceImpl<typeof Bindings>,
  "invokeBindingBatch"
> {
  return {
    async invokeBindingBatch({ invocations }, context) {
      const trace = tracer(context);
      return {
        results: await invokeBatch(invocations, { runtime, maxBodySize, trace, caller: context }),
      };
    },
  };
}

const traceHeaders = ["traceparent", "tracestate", "grpc-trace-bin", "baggage"] as const;

/** The trace context of each invocation of a call: the call's own where its headers have one. */
function tracer(
  context: HandlerContext,
): (metadata: Readonly<Record<string, string>>) => Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of traceHeaders) {
    const value = context.requestHeader.get(name);
    if (value !== null) headers[name] = value;
  }
  const problem = baggageProblem(headers);
  if (problem !== undefined) throw new GrpcFailure(Code.invalidArgument, problem);
  if (!isTraceparent(headers["traceparent"])) {
    return (metadata) => traceOfRequest(headers, metadata);
  }
  const shared = traceOfRequest(headers);
  return () => shared;
}
