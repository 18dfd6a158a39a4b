import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ActorRuntime_ActorRuntimeStatus } from "../../gen/dapr/proto/runtime/v1/metadata_pb.ts";
import { BindingError } from "../errors.ts";
import { GrpcFailure } from "../grpc/status.ts";
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
      const answer = await runtime.invoke({
        name,
        operation,
        data: data.length === 0 ? undefined : data,
        encoding: "bytes",
        metadata: Object.assign(own, traceOfRequest(context.headers, own)),
        get signal() {
          return context.signal;
        },
      });
      return {
        message: {
          ...(answer?.data && { data: answer.data }),
          ...(answer?.metadata && { metadata: answer.metadata }),
        },
        headers: answer?.metadata && metadataHeaders(answer.metadata),
      };
    } catch (thrown) {
      const error = BindingError.from(thrown);
      throw invokeFailure(name, error, error.metadata && metadataHeaders(error.metadata));
    }
  };
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
