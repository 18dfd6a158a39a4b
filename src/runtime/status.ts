import type { HistoryRecord } from "../store/records.ts";
import type { CallCounts } from "./component/calls.ts";
import type { EventResult } from "./delivery/event-counts.ts";

/** The states of a component (design promise 6). */
export const componentStates = [
  "starting",
  "waiting for app",
  "running",
  "reconnecting",
  "stalled",
  "standby",
  "paused",
  "failed",
] as const;

export type ComponentState = (typeof componentStates)[number];

/** What can be told about a component at one moment. Holds no secret. */
export type ComponentStatus = {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly state: ComponentState;
  /** Why, in a sentence; empty while all is well. */
  readonly reason: string;
  /** When the state began. */
  readonly since: Date;
  /** `file:line:column` of the component, empty where it was made in code. */
  readonly origin: string;
  readonly directions: { readonly input: boolean; readonly output: boolean };
  /** What can be invoked; empty for an input only. */
  readonly operations: readonly string[];
  /** Events that the app is handling. */
  readonly inFlight: number;
  /** The most that it may be handling at one time; `undefined`: nothing is read. */
  readonly maxInFlight: number | undefined;
  /** Events received and unsettled that no request is out for: queued, or waiting for a retry. */
  readonly waiting: number;
  /** Events that the app has handled since the start. */
  readonly handled: number;
  /** Events that ended otherwise since the start, by how. */
  readonly endedOtherwise: Readonly<Record<Exclude<EventResult, "handled">, number>>;
  /** Attempts to have an event handled since the start, and those of them that failed. */
  readonly attempts: number;
  readonly failedAttempts: number;
  /** How long all attempts took together, in milliseconds. */
  readonly attemptTime: number;
  /** The oldest unsettled event that has failed and waits; `undefined`: there is none. */
  readonly oldestFailed: UnfinishedEvent | undefined;
  /** What was invoked since the start. */
  readonly calls: CallCounts;
  /** Whether it is not ready without this component. */
  readonly required: boolean;
  readonly readiness: "required" | "optional" | "lazy";
  /** Who paused its input, why, and when; `undefined`: nobody. */
  readonly paused: Pause | undefined;
  /** How often it was reconnected since it stood still. */
  readonly rebuilds: number;
  /** The events that wait at the source, when that was last asked; `undefined`: not known. */
  readonly backlog: number | undefined;
  /** Since when the oldest unsettled event is here; `undefined`: there is none. */
  readonly oldestSince: Date | undefined;
  /** Its window is full: no more is read before the oldest event is settled. */
  readonly windowFull: boolean;
  /** The circuit breakers of its policies. */
  readonly breakers: readonly BreakerStatus[];
};

export type BreakerStatus = {
  readonly direction: "inbound" | "outbound";
  readonly name: string;
  readonly state: "closed" | "half-open" | "open";
};

export type Pause = { readonly by: string; readonly reason: string; readonly since: Date };

/** Where an event is that has not ended. `held`: it is not the app's turn, or not any more. */
export type Whereabouts = "queued" | "with the app" | "waiting for a retry" | "held";

/** An event that is with the runtime at this moment. */
export type UnfinishedEvent = Pick<
  HistoryRecord,
  "component" | "eventId" | "source" | "receivedAt" | "attempts" | "renewals" | "traceId"
> & {
  readonly failedRenewals: NonNullable<HistoryRecord["failedRenewals"]>;
  /** What keeps its order; `undefined`: nothing does. */
  readonly key: Uint8Array | string | undefined;
  readonly where: Whereabouts;
  /** Why it is there, in a sentence; empty where there is nothing to say. */
  readonly reason: string;
  /** The attempt that is under way, or comes next; 1 is the first. */
  readonly attempt: number;
  /** How many there may be; `undefined`: without end. */
  readonly attemptsAllowed: number | undefined;
  /** How the last attempt failed; empty: none has. */
  readonly lastError: string;
  /** When it is tried next, in milliseconds since 1970. */
  readonly nextAt: number | undefined;
  /** The dead letter that it is, where it is redriven. */
  readonly deadLetter: string | undefined;
};
