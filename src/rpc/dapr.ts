import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Dapr, type InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ActorRuntime_ActorRuntimeStatus } from "../../gen/dapr/proto/runtime/v1/metadata_pb.ts";
import { BindingError } from "../errors.ts";
import { addResponseHeaders, requestHeadOf } from "../grpc/handler-context.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, codeName, GrpcFailure } from "../grpc/status.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { isSampled } from "../runtime/trace.ts";
import type { RuntimeDescription } from "./description.ts";
import { invokeFailure } from "./errors.ts";
import { encodeInvokeAnswer } from "./invoke-answer.ts";
import { metadataHeaders } from "./metadata-headers.ts";
import { metadataProblem } from "./metadata-limit.ts";
import { baggageProblem, beginCall, traceOfRequest, tracedRpc } from "./trace.ts";

export type DaprOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  /** Called for `Shutdown`. */
  readonly shutdown: () => void;
};

/** What bindings need of `dapr.proto.runtime.v1.Dapr`. */
export function daprService({ runtime, description, shutdown }: DaprOptions): Service {
  const methods: Partial<ServiceImpl<typeof Dapr>> = {
    invokeBinding: invokeBinding(runtime),
    getMetadata: () => metadata(description),
    setMetadata({ key, value }) {
      const problem = description.setLabel(key, value);
      if (problem !== undefined) throw new GrpcFailure(Code.resourceExhausted, problem);
      return {};
    },
    shutdown() {
      shutdown();
      return {};
    },
  };
  return createService(Dapr, methods, {}, { invokeBinding: encodeInvokeAnswer });
}

function invokeBinding(runtime: Runtime): ServiceImpl<typeof Dapr>["invokeBinding"] {
  const { tracer } = runtime;
  return async ({ name, operation, data, metadata: own }, context) => {
    const head = requestHeadOf(context);
    const problem = baggageProblem(head);
    if (problem !== undefined) throw new GrpcFailure(Code.invalidArgument, problem);
    const tooMuch = metadataProblem(own);
    if (tooMuch !== undefined) throw new GrpcFailure(Code.resourceExhausted, tooMuch);
    const trace = traceOfRequest(head, own, tracer?.sampling);
    const span =
      tracer !== undefined && isSampled(trace["traceparent"])
        ? beginCall(tracer, tracedRpc(method, context.protocolName), head, trace, own)
        : undefined;
    try {
      const payload = data.length === 0 ? undefined : data;
      const metadata = Object.assign(own, trace);
      const answer = await runtime.invoke(
        new RpcInvocation(name, operation, payload, metadata, context),
      );
      span?.end("OK");
      const message: MessageInitShape<typeof InvokeBindingResponseSchema> = {};
      if (answer?.data !== undefined) message.data = answer.data;
      if (answer?.metadata === undefined) return message;
      message.metadata = answer.metadata;
      addResponseHeaders(context, metadataHeaders(answer.metadata));
      return message;
    } catch (thrown) {
      const error = BindingError.from(thrown);
      if (error.metadata !== undefined)
        addResponseHeaders(context, metadataHeaders(error.metadata));
      const failure = invokeFailure(name, error);
      span?.end(codeName(failure.code), failure.message);
      throw failure;
    }
  };
}

const method = "dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** A class, for its getter is cheaper than one made anew for each call. */
class RpcInvocation implements Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding = "bytes";
  readonly metadata: Readonly<Record<string, string>>;
  readonly #context: HandlerContext;

  constructor(
    name: string,
    operation: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>>,
    context: HandlerContext,
  ) {
    this.name = name;
    this.operation = operation;
    this.data = data;
    this.metadata = metadata;
    this.#context = context;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get deadline(): number | undefined {
    const left = this.#context.timeoutMs();
    return left === undefined ? undefined : performance.now() + left;
  }
}

function metadata(description: RuntimeDescription) {
  const { protocol, address, port = 0, maxConcurrency = 0, health } = description.app;
  return {
    id: description.appId,
    runtimeVersion: description.runtimeVersion,
    enabledFeatures: description.features,
    registeredComponents: description.components(),
    extendedMetadata: description.extended,
    appConnectionProperties: {
      port,
      protocol,
      channelAddress: address,
      maxConcurrency,
      ...(health && {
        health: {
          healthCheckPath: health.path ?? "",
          healthProbeInterval: health.interval,
          healthProbeTimeout: health.timeout,
          healthThreshold: health.threshold,
        },
      }),
    },
    actorRuntime: {
      runtimeStatus: ActorRuntime_ActorRuntimeStatus.DISABLED,
      hostReady: false,
      placement: "placement: disconnected",
    },
    workflows: {},
  };
}
