import type { DescEnum } from "@bufbuild/protobuf";
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import {
  ComponentStateSchema,
  ReadinessSchema,
  type Component,
  type ComponentState,
  type WaitingEvent,
} from "../../gen/cufflink/v1/operations_pb.ts";

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
  readonly deadLettered: number;
  readonly sentToOutput: number;
  readonly dropped: number;
  readonly returned: number;
  readonly duplicates: number;
  /** The oldest event that was refused and waits; times in ISO 8601. */
  readonly oldestWaiting?: {
    readonly id: string;
    readonly attempts: number;
    readonly since: string;
    readonly nextAttempt?: string;
    readonly lastError: string;
  };
  /** Absent where it cannot be invoked. */
  readonly output?: {
    readonly inFlight: number;
    readonly invocations: number;
    readonly failures: number;
  };
  /** Events still in the source; absent where that is not known. */
  readonly backlog?: number;
  /** How often it was reconnected because it stood still. */
  readonly rebuilds: number;
  /** Where it was declared. */
  readonly source: string;
  readonly required: boolean;
  /** `required`, `optional` or `lazy`. */
  readonly readiness: string;
};

/** A component as it is listed. */
export function listed(component: Component): ListedComponent {
  const { name, type, version, reason, operations, source, required, since } = component;
  const { input, output } = component;
  return {
    name,
    type,
    version,
    state: wordFor(ComponentStateSchema, component.state),
    reason,
    since: isoOf(since),
    directions: component.directions.map((one) => (one === Direction.INPUT ? "input" : "output")),
    operations,
    inFlight: input?.inFlight ?? 0,
    waiting: input?.waiting ?? 0,
    handled: Number(input?.handled ?? 0n),
    attempts: Number(input?.attempts ?? 0n),
    deadLettered: Number(input?.deadLettered ?? 0n),
    sentToOutput: Number(input?.sentToOutput ?? 0n),
    dropped: Number(input?.dropped ?? 0n),
    returned: Number(input?.returned ?? 0n),
    duplicates: Number(input?.duplicates ?? 0n),
    ...(input?.oldestWaiting && { oldestWaiting: waiting(input.oldestWaiting) }),
    ...(output && {
      output: {
        inFlight: output.inFlight,
        invocations: Number(output.invocations),
        failures: Number(output.failures),
      },
    }),
    ...(input?.backlog !== undefined && { backlog: Number(input.backlog) }),
    rebuilds: Number(component.rebuilds),
    source,
    required,
    readiness: wordFor(ReadinessSchema, component.readiness),
  };
}

function waiting(event: WaitingEvent): NonNullable<ListedComponent["oldestWaiting"]> {
  const { id, attempts, lastError, since, nextAttempt } = event;
  return {
    ...{ id, attempts, since: isoOf(since) },
    ...(nextAttempt && { nextAttempt: isoOf(nextAttempt) }),
    lastError,
  };
}

export function isoOf(time: Timestamp | undefined): string {
  return time === undefined ? "" : timestampDate(time).toISOString();
}

/** A component's state as people read it. */
export function stateWord(state: ComponentState): string {
  return wordFor(ComponentStateSchema, state);
}

/** `WAITING_FOR_APP` as people read it: `waiting for app`. */
function wordFor({ values }: DescEnum, value: number): string {
  return (values.find(({ number }) => number === value)?.localName ?? "unknown")
    .toLowerCase()
    .replaceAll("_", " ");
}
