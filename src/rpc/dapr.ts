import type { MessageInitShape } from "@bufbuild/protobuf";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ActorRuntime_ActorRuntimeStatus } from "../../gen/dapr/proto/runtime/v1/metadata_pb.ts";
import { BindingError } from "../errors.ts";
import type { CallContext } from "../grpc/server.ts";
import { GrpcFailure } from "../grpc/status.ts";
import type { Invocation } from "../runtime/invocation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RuntimeDescription } from "./description.ts";
import { invokeFailure } from "./errors.ts";
import { metadataHeaders } from "./metadata-headers.ts";
import { bindMethod, type BoundMethod, type Handler } from "./service.ts";
import { baggageProblem, traceOfRequest } from "./trace.ts";

export type DaprOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  /** Called for `Shutdown`. */
  readonly shutdown: () => void;
};

/** The methods of `dapr.proto.runtime.v1.Dapr` that bindings need. */
export function daprMethods({ runtime, description, shutdown }: DaprOptions): BoundMethod[] {
  return [
    bindMethod(Dapr.method.invokeBinding, invokeBinding(runtime)),
    bindMethod(Dapr.method.getMetadata, () => ({ message: metadata(description) })),
    bindMethod(Dapr.method.setMetadata, ({ key, value }) => {
      description.extended.set(key, value);
      return { message: {} };
    }),
    bindMethod(Dapr.method.shutdown, () => {
      shutdown();
      return { message: {} };
    }),
  ];
}

type InvokeBinding = typeof Dapr.method.invokeBinding;

function invokeBinding(runtime: Runtime): Handler<InvokeBinding["input"], InvokeBinding["output"]> {
  return async ({ name, operation, data, metadata: own }, context) => {
    const problem = baggageProblem(context.headers);
    if (problem !== undefined) throw new GrpcFailure(3, problem);
    try {
      const payload = data.length === 0 ? undefined : data;
      const metadata = Object.assign(own, traceOfRequest(context.headers, own));
      const answer = await runtime.invoke(
        new RpcInvocation(name, operation, payload, metadata, context),
      );
      const message: MessageInitShape<InvokeBinding["output"]> = {};
      if (answer?.data !== undefined) message.data = answer.data;
      if (answer?.metadata === undefined) return { message };
      message.metadata = answer.metadata;
      return { message, headers: metadataHeaders(answer.metadata) };
    } catch (thrown) {
      const error = BindingError.from(thrown);
      throw invokeFailure(name, error, error.metadata && metadataHeaders(error.metadata));
    }
  };
}

/** A class, for its getter is cheaper than one made anew for each call. */
class RpcInvocation implements Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding = "bytes";
  readonly metadata: Readonly<Record<string, string>>;
  readonly #context: CallContext;

  constructor(
    name: string,
    operation: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>>,
    context: CallContext,
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
}

function metadata(description: RuntimeDescription) {
  const { protocol, address, port = 0, maxConcurrency = 0, health } = description.app;
  return {
    id: description.appId,
    runtimeVersion: description.version,
    registeredComponents: description.components(),
    extendedMetadata: Object.fromEntries(description.extended),
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
