import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import { ComponentState, Readiness } from "../../gen/cufflink/v1/operations_pb.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import { capabilitiesOf } from "./description.ts";

const states: Readonly<Record<ComponentStatus["state"], ComponentState>> = {
  starting: ComponentState.STARTING,
  "waiting for app": ComponentState.WAITING_FOR_APP,
  running: ComponentState.RUNNING,
  reconnecting: ComponentState.RECONNECTING,
  stalled: ComponentState.STALLED,
  paused: ComponentState.PAUSED,
  failed: ComponentState.FAILED,
};

const readinesses: Readonly<Record<ComponentStatus["readiness"], Readiness>> = {
  required: Readiness.REQUIRED,
  optional: Readiness.OPTIONAL,
  lazy: Readiness.LAZY,
};

/** A component and its state as `cufflink.v1.Component`. */
export function describeComponent(status: ComponentStatus) {
  const { name, type, version, reason, origin, operations, directions, required } = status;
  const { inFlight, waiting, handled, failedAttempts, rebuilds, backlog } = status;
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
    rebuilds: BigInt(rebuilds),
    readiness: readinesses[status.readiness],
    ...(directions.input && {
      input: {
        inFlight,
        waiting,
        handled: BigInt(handled),
        attempts: BigInt(handled + failedAttempts),
        ...(backlog !== undefined && { backlog: BigInt(backlog) }),
      },
    }),
  };
}

/** The ways as the wire counts them. */
export function directionsOf({ input, output }: { input: boolean; output: boolean }): Direction[] {
  return [...(input ? [Direction.INPUT] : []), ...(output ? [Direction.OUTPUT] : [])];
}
