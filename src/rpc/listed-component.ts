import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import { ComponentStateSchema, type Component } from "../../gen/cufflink/v1/operations_pb.ts";

/** A component of a running runtime, as its operator sees it. */
export type ListedComponent = {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
  /** ISO 8601; empty where it is not told. */
  readonly since: string;
  readonly directions: readonly string[];
  readonly operations: readonly string[];
  readonly inFlight: number;
  readonly waiting: number;
  readonly handled: number;
  readonly attempts: number;
  /** Events still in the source; absent where that is not known. */
  readonly backlog?: number;
  /** How often it was connected anew because it stood still. */
  readonly rebuilds: number;
  /** Where it was declared. */
  readonly source: string;
  readonly required: boolean;
};

/** A component as it is listed. */
export function listed(component: Component): ListedComponent {
  const { name, type, version, reason, operations, source, required, input, since } = component;
  return {
    name,
    type,
    version,
    state: stateName(component.state),
    reason,
    since: since === undefined ? "" : timestampDate(since).toISOString(),
    directions: component.directions.map((one) => (one === Direction.INPUT ? "input" : "output")),
    operations,
    inFlight: input?.inFlight ?? 0,
    waiting: input?.waiting ?? 0,
    handled: Number(input?.handled ?? 0n),
    attempts: Number(input?.attempts ?? 0n),
    ...(input?.backlog !== undefined && { backlog: Number(input.backlog) }),
    rebuilds: Number(component.rebuilds),
    source,
    required,
  };
}

/** `WAITING_FOR_APP` as people read it: `waiting for app`. */
function stateName(state: number): string {
  return (
    ComponentStateSchema.values.find(({ number }) => number === state)?.localName ?? "unknown"
  )
    .toLowerCase()
    .replaceAll("_", " ");
}
