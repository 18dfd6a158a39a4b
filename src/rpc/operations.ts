import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Event } from "../../gen/cufflink/v1/events_pb.ts";
import { Operations, type EmitEventResponseSchema } from "../../gen/cufflink/v1/operations_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import type { FleetDescription } from "../fleet/description.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { closest } from "../metadata/suggest.ts";
import { findComponent } from "../runtime/find-component.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentFeed } from "../runtime/watch/component-feed.ts";
import { describeComponent } from "./component-message.ts";
import type { RuntimeDescription } from "./description.ts";
import { answering } from "./errors.ts";
import { describeFleet } from "./fleet.ts";
import { operatorMethods, type OperatorMethodsOptions } from "./operator-methods.ts";
import type { StoreState } from "../store/store.ts";
import { timestampOf } from "./records.ts";
import { describeType } from "./type-message.ts";
import { watchComponents } from "./watch-components.ts";

export type OperationsServiceOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  readonly store?: StoreState | undefined;
  readonly feed: ComponentFeed;
  /** The replicas of the app. Absent: there is none but this process. */
  readonly fleet?: (() => Promise<FleetDescription>) | undefined;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
  /** What the methods that change something need. Absent: they are UNIMPLEMENTED. */
  readonly changes?: Omit<OperatorMethodsOptions, "runtime"> | undefined;
};

/** `cufflink.v1.Operations`: what an operator asks a running runtime. */
export function operationsService(options: OperationsServiceOptions): Service {
  const { runtime, description, store, feed, fleet, closing, changes } = options;
  return createService(Operations, {
    ...(changes && operatorMethods({ runtime, ...changes })),
    describeRuntime: () => ({
      ...description.about(),
      startedAt: timestampOf(performance.timeOrigin),
      revision: BigInt(runtime.reloads.at(-1)?.revision ?? 0),
    }),
    watchComponents: (request, { signal }) =>
      watchComponents(feed, request, AbortSignal.any([signal, closing])),
    listComponents: () => ({
      components: runtime.components().map(describeComponent),
      storeTrouble: store?.trouble ?? "",
      storeDoubt: store?.doubted ?? "",
    }),
    describeComponent: ({ name }) =>
      answering(() => ({ component: describeComponent(findComponent(runtime, name)) })),
    listBindingTypes: async () => ({ bindingTypes: (await runtime.bindings()).map(describeType) }),
    async describeBindingType({ name }) {
      const wanted = name.replace(/^bindings\./i, "").toLowerCase();
      const bindings = await runtime.bindings();
      const found = bindings.find((one) => [one.name, ...(one.aliases ?? [])].includes(wanted));
      if (found !== undefined) return { bindingType: describeType(found) };
      const near = closest(
        wanted,
        bindings.map((one) => one.name),
      );
      const advice = near === undefined ? "see ListBindingTypes" : `did you mean ${near}?`;
      const text = `no binding type is called ${name}; ${advice}`;
      throw new GrpcFailure(Code.notFound, text);
    },
    describeFleet: () =>
      answering(async () => (fleet === undefined ? {} : describeFleet(await fleet()))),
    emitEvent: ({ component, event }, { signal }) =>
      answering(async () => ({ outcome: await emit(runtime, component, event, signal) })),
  });
}

async function emit(
  runtime: Runtime,
  component: string,
  event: Event | undefined,
  signal: AbortSignal,
): Promise<NonNullable<MessageInitShape<typeof EmitEventResponseSchema>["outcome"]>> {
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
