import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { requestHeadOf } from "../grpc/handler-context.ts";
import { createService, type RawMethods, type Service } from "../grpc/service.ts";
import { Code, codeName, GrpcFailure } from "../grpc/status.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeBatch } from "./invocation-batch.ts";
import { InvocationStream } from "./invocation-stream.ts";
import type { CallSpan, Tracer } from "../runtime/tracer.ts";
import { asError } from "./errors.ts";
import { baggageProblem, sharedTrace, tracedRpc, type SharedTrace } from "./trace.ts";

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
      const { span, of: trace } = traceOf(runtime.tracer, context, "InvokeBindingBatch");
      const options = { runtime, maxBodySize, trace, caller: context };
      if (span === undefined) return { results: await invokeBatch(invocations, options) };
      return { results: await ending(span, () => invokeBatch(invocations, options)) };
    },
    invokeBindingStream(requests, context) {
      const { signal } = context;
      const { span, of: trace } = traceOf(runtime.tracer, context, "InvokeBindingStream");
      const options = { runtime, maxBodySize, memory, trace, signal };
      const answers = new InvocationStream(options).answers(requests);
      return span === undefined ? answers : endingEach(span, answers);
    },
  };
}

/** The traces of a call's invocations. Throws where its baggage cannot be read. */
function traceOf(tracer: Tracer | undefined, context: HandlerContext, method: string): SharedTrace {
  const head = requestHeadOf(context);
  const problem = baggageProblem(head);
  if (problem !== undefined) throw new GrpcFailure(Code.invalidArgument, problem);
  return sharedTrace(head, tracer, () =>
    tracedRpc(`cufflink.v1.Bindings/${method}`, context.protocolName),
  );
}

/** What it resolves to; the span ends with it. */
async function ending<Value>(span: CallSpan, run: () => Promise<Value>): Promise<Value> {
  try {
    const done = await run();
    span.end("OK");
    return done;
  } catch (error) {
    endFailed(span, error);
    throw error;
  }
}

/** The same values; the span ends with them. */
async function* endingEach<Value>(
  span: CallSpan,
  values: AsyncIterable<Value>,
): AsyncGenerator<Value> {
  let failure: { readonly error: unknown } | undefined;
  try {
    yield* values;
  } catch (error) {
    failure = { error };
    throw error;
  } finally {
    if (failure === undefined) span.end("OK");
    else endFailed(span, failure.error);
  }
}

function endFailed(span: CallSpan, thrown: unknown): void {
  const code = thrown instanceof GrpcFailure ? thrown.code : Code.unknown;
  span.end(codeName(code), asError(thrown).message);
}
