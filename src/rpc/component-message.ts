import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import {
  ComponentState,
  Readiness,
  type InputStatusSchema,
  type OutputStatusSchema,
  type WaitingEventSchema,
} from "../../gen/cufflink/v1/operations_pb.ts";
import type { ComponentStatus, UnfinishedEvent } from "../runtime/status.ts";
import { capabilitiesOf } from "./description.ts";
import { bytesOf, own, timestampOf } from "./records.ts";

const states: Readonly<Record<ComponentStatus["state"], ComponentState>> = {
  starting: ComponentState.STARTING,
  "waiting for app": ComponentState.WAITING_FOR_APP,
  running: ComponentState.RUNNING,
  reconnecting: ComponentState.RECONNECTING,
  stalled: ComponentState.STALLED,
  standby: ComponentState.STANDBY,
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
  const { rebuilds } = status;
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
    ...(directions.input && { input: describeInput(status) }),
    ...(directions.output && { output: describeOutput(status) }),
  };
}

function describeInput(status: ComponentStatus): MessageInitShape<typeof InputStatusSchema> {
  const { inFlight, waiting, handled, attempts, backlog, oldestFailed } = status;
  const {
    "dead letter": deadLettered,
    output,
    dropped,
    returned,
    duplicate,
  } = status.endedOtherwise;
  return {
    ...{ inFlight, waiting, handled: BigInt(handled), attempts: BigInt(attempts) },
    returned: BigInt(returned),
    deadLettered: BigInt(deadLettered),
    sentToOutput: BigInt(output),
    dropped: BigInt(dropped),
    duplicates: BigInt(duplicate),
    ...(backlog !== undefined && { backlog: BigInt(backlog) }),
    ...(oldestFailed && { oldestWaiting: describeWaiting(oldestFailed) }),
  };
}

function describeWaiting(event: UnfinishedEvent): MessageInitShape<typeof WaitingEventSchema> {
  const { eventId, key, attempt, attempts, receivedAt, lastError, nextAt } = event;
  return {
    ...{ id: eventId, attempts: attempt - 1, lastError },
    ...(key !== undefined && { key: own(bytesOf(key)) }),
    since: timestampOf(attempts[0]?.at ?? receivedAt),
    ...(nextAt !== undefined && { nextAttempt: timestampOf(nextAt) }),
  };
}

function describeOutput({
  calls: { inFlight, invocations, failures },
}: ComponentStatus): MessageInitShape<typeof OutputStatusSchema> {
  return { inFlight, invocations: BigInt(invocations), failures: BigInt(failures) };
}

/** The ways as the wire counts them. */
export function directionsOf({ input, output }: { input: boolean; output: boolean }): Direction[] {
  return [...(input ? [Direction.INPUT] : []), ...(output ? [Direction.OUTPUT] : [])];
}
