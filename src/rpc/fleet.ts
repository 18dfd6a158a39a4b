import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DescribeFleetResponse,
  DescribeFleetResponseSchema,
} from "../../gen/cufflink/v1/operations_pb.ts";
import type { FleetComponent, FleetDescription } from "../fleet/description.ts";
import { componentStateOf } from "./component-message.ts";
import { isoOf, stateWord } from "./listed-component.ts";
import { timestampOf } from "./records.ts";

/** A fleet as `cufflink.v1` tells it. */
export function describeFleet({
  replica,
  replicas,
  components,
}: FleetDescription): MessageInitShape<typeof DescribeFleetResponseSchema> {
  return {
    replica,
    replicas: replicas.map(({ id, host, version, startedAt, components: own }) => ({
      ...{ id, host, version, startedAt: timestampOf(startedAt) },
      components: own.map(({ name, type, state, reason, inFlight, backlog }) => ({
        ...{ name, type, state: componentStateOf(state), reason, inFlight },
        ...(backlog !== undefined && { backlog: BigInt(backlog) }),
      })),
    })),
    components: components.map(describeComponent),
  };
}

function describeComponent(component: FleetComponent) {
  const { name, type, owner = "", since, replicas, running, inFlight, backlog } = component;
  return {
    ...{ name, type, owner, replicas, running, inFlight },
    deadLetters: BigInt(component.deadLetters),
    ...(since !== undefined && { ownedSince: timestampOf(since) }),
    ...(backlog !== undefined && { backlog: BigInt(backlog) }),
  };
}

/** A fleet as its operator sees it. Times are ISO 8601. */
export type ListedFleet = {
  /** The replica that was asked; empty: it shares its store with nobody. */
  readonly replica: string;
  readonly replicas: readonly {
    readonly id: string;
    readonly host: string;
    readonly version: string;
    readonly startedAt: string;
    readonly components: readonly {
      readonly name: string;
      readonly type: string;
      readonly state: string;
      readonly reason: string;
      readonly inFlight: number;
      readonly backlog?: number;
    }[];
  }[];
  readonly components: readonly {
    readonly name: string;
    readonly type: string;
    /** Absent: every replica reads it, or none does now. */
    readonly owner?: string;
    readonly ownedSince?: string;
    readonly replicas: number;
    readonly running: number;
    readonly inFlight: number;
    readonly backlog?: number;
    readonly deadLetters: number;
  }[];
};

/** The same from the wire. */
export function listedFleet({ replica, replicas, components }: DescribeFleetResponse): ListedFleet {
  return {
    replica,
    replicas: replicas.map(({ id, host, version, startedAt, components: own }) => ({
      ...{ id, host, version, startedAt: isoOf(startedAt) },
      components: own.map(({ name, type, state, reason, inFlight, backlog }) => ({
        ...{ name, type, state: stateWord(state), reason, inFlight },
        ...(backlog !== undefined && { backlog: Number(backlog) }),
      })),
    })),
    components: components.map(({ owner, ownedSince, backlog, deadLetters, ...rest }) => {
      const { name, type, replicas: count, running, inFlight } = rest;
      return {
        ...{ name, type },
        ...(owner !== "" && { owner, ownedSince: isoOf(ownedSince) }),
        ...{ replicas: count, running, inFlight },
        ...(backlog !== undefined && { backlog: Number(backlog) }),
        deadLetters: Number(deadLetters),
      };
    }),
  };
}
