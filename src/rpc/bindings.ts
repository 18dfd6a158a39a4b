import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeBatch } from "./invocation-batch.ts";
import { InvocationStream } from "./invocation-stream.ts";
import { isTraceparent } from "../runtime/trace.ts";
import { baggageProblem, traceOfRequest } from "./trace.ts";

export type BindingsOptions = {
  readonly runtime: Runtime;
  /** The largest message, in bytes. */
  readonly maxBodySize: number;
};

/** The methods of `cufflink.v1.Bindings` that invoke outputs. */
export function invocationMethods({
  runtime,
  maxBodySize,
}: BindingsOptions): Pick<
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
      const options = { runtime, maxBodySize, trace: tracer(context), signal: context.signal };
      return new InvocationStream(options).answers(requests);
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
