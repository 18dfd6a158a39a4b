import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Event } from "../../gen/cufflink/v1/events_pb.ts";
import { Operations, type EmitEventResponseSchema } from "../../gen/cufflink/v1/operations_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { describeComponent } from "./component-message.ts";
import { operatorMethods, type OperatorMethodsOptions } from "./operator-methods.ts";
import type { StoreState } from "../store/store.ts";
import { describeType } from "./type-message.ts";

/**
 * `cufflink.v1.Operations`: what an operator asks a running runtime. `changes`: what its methods that change
 * something need; absent: they are UNIMPLEMENTED.
 */
export function operationsService(
  runtime: Runtime,
  store?: StoreState,
  changes?: Omit<OperatorMethodsOptions, "runtime">,
): Service {
  return createService(Operations, {
    ...(changes && operatorMethods({ runtime, ...changes })),
    listComponents: () => ({
      components: runtime.components().map(describeComponent),
      storeTrouble: store?.trouble ?? "",
    }),
    describeComponent({ name }) {
      const found = runtime.components().find((one) => one.name === name);
      if (found === undefined)
        throw new GrpcFailure(Code.notFound, `no component is called ${name}; see ListComponents`);
      return { component: describeComponent(found) };
    },
    listBindingTypes: () => ({ bindingTypes: runtime.bindings.map(describeType) }),
    describeBindingType({ name }) {
      const wanted = name.replace(/^bindings\./i, "").toLowerCase();
      const found = runtime.bindings.find((one) =>
        [one.name, ...(one.aliases ?? [])].includes(wanted),
      );
      if (found !== undefined) return { bindingType: describeType(found) };
      const text = `no binding type is called ${name}; see ListBindingTypes`;
      throw new GrpcFailure(Code.notFound, text);
    },
    async emitEvent({ component, event }, { signal }) {
      return { outcome: await emit(runtime, component, event, signal) };
    },
  });
}

async function emit(
  runtime: Runtime,
  component: string,
  event: Event | undefined,
  signal: AbortSignal,
): Promise<NonNullable<MessageInitShape<typeof EmitEventResponseSchema>["outcome"]>> {
  if (!runtime.components().some(({ name }) => name === component)) {
    throw new GrpcFailure(Code.notFound, `no component is called ${component}; see ListComponents`);
  }
  const outcome = await runtime.emit(
    component,
    { data: event?.data, metadata: {}, headers: event?.headers ?? [] },
    signal,
  );
  if (outcome.kind === "unsent") throw new GrpcFailure(Code.failedPrecondition, outcome.reason);
  if (outcome.kind !== "handled") {
    const reason = outcome.kind === "not attempted" ? "the app did not look at it" : outcome.reason;
    return { case: "notHandled", value: { reason } };
  }
  const { data, to = [] } = outcome.reply ?? {};
  return { case: "handled", value: { to: [...to], ...(data && { data }) } };
}
