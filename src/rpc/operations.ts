import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import type { Event } from "../../gen/cufflink/v1/events_pb.ts";
import {
  ComponentState,
  Operations,
  type EmitEventResponseSchema,
} from "../../gen/cufflink/v1/operations_pb.ts";
import type { AnyBinding } from "../binding.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Field, Fields } from "../metadata/fields.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import { capabilitiesOf } from "./description.ts";

/** `cufflink.v1.Operations`: what an operator asks a running runtime. */
export function operationsService(runtime: Runtime): Service {
  return createService(Operations, {
    listComponents: () => ({ components: runtime.components().map(describeComponent) }),
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

const states: Readonly<Record<ComponentStatus["state"], ComponentState>> = {
  starting: ComponentState.STARTING,
  "waiting for app": ComponentState.WAITING_FOR_APP,
  running: ComponentState.RUNNING,
  reconnecting: ComponentState.RECONNECTING,
  stalled: ComponentState.STALLED,
  paused: ComponentState.PAUSED,
  failed: ComponentState.FAILED,
};

function describeComponent(status: ComponentStatus) {
  const { name, type, version, reason, origin, operations, directions, required } = status;
  const { inFlight, waiting, handled, failedAttempts } = status;
  return {
    name,
    type,
    version,
    state: states[status.state],
    reason,
    since: timestampFromDate(status.since),
    source: origin,
    required,
    operations: [...operations],
    directions: directionsOf(directions),
    capabilities: capabilitiesOf(directions),
    ...(directions.input && {
      input: {
        inFlight,
        waiting,
        handled: BigInt(handled),
        attempts: BigInt(handled + failedAttempts),
      },
    }),
  };
}

function describeType(binding: AnyBinding) {
  const operations: [string, { description: string; request: Fields }][] = Object.entries(
    binding.operations ?? {},
  );
  return {
    name: binding.name,
    aliases: [...(binding.aliases ?? [])],
    status: binding.status,
    summary: binding.summary,
    version: "v1",
    directions: directionsOf({
      input: binding.read !== undefined,
      output: binding.operations !== undefined,
    }),
    metadata: describeFields(binding.metadata),
    operations: operations.map(([name, { description, request }]) => ({
      name,
      description,
      request: describeFields(request),
    })),
  };
}

function describeFields(fields: Fields) {
  return Object.entries(fields).map(([name, field]: [string, Field]) => ({
    name,
    aliases: [...field.aliases],
    type: field.kind,
    description: field.description,
    required: field.required,
    allowedValues: [...(field.allowed ?? [])],
    sensitive: field.sensitive,
    example: field.example ?? "",
    direction: field.direction === undefined ? Direction.UNSPECIFIED : directionOf[field.direction],
    ...(field.default !== undefined && { defaultValue: field.default }),
  }));
}

const directionOf = { input: Direction.INPUT, output: Direction.OUTPUT } as const;

function directionsOf({ input, output }: { input: boolean; output: boolean }): Direction[] {
  return [...(input ? [Direction.INPUT] : []), ...(output ? [Direction.OUTPUT] : [])];
}
