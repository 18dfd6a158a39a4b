import { BindingError } from "../../errors.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import type { ComponentPolicies } from "../../policy/component-policies.ts";
import type { App } from "../app.ts";
import { Calls, type CallCounts } from "./calls.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Standby } from "./input-lease.ts";
import { newCounts, type EventCounts } from "../delivery/event-counts.ts";
import type { Readiness } from "./readiness.ts";
import { isStateStore, stateStoreNotice } from "./state-store.ts";
import type { BreakerStatus, ComponentState, ComponentStatus, Pause } from "../status.ts";

/** A state with its reason and the time it began. */
type State = Pick<ComponentStatus, "state" | "reason" | "since">;

type Facts = State &
  Pick<
    ComponentStatus,
    "directions" | "operations" | "paused" | "backlog" | "rebuilds" | "breakers"
  > & {
    readonly spec: ComponentSpec;
    readonly delivery: Delivery | undefined;
    readonly counts: EventCounts;
    readonly calls: CallCounts;
    readonly readiness: Readiness;
  };

/** What is told about a component, from what it knows. */
export function componentStatus(facts: Facts): ComponentStatus {
  const { spec, delivery, counts, calls, readiness } = facts;
  const { state, since, directions, operations, paused } = facts;
  const runsAsStore = state === "running" && isStateStore(spec);
  const reason = facts.reason || (runsAsStore ? stateStoreNotice : "");
  const { backlog, rebuilds, breakers } = facts;
  const { handled, ...others } = counts.ended;
  return {
    ...{ name: spec.name, type: spec.type, version: spec.version, state, reason, since },
    ...{ directions, operations, paused, backlog, rebuilds, readiness, breakers },
    origin: formatOrigin(spec.origin),
    inFlight: delivery?.inFlight ?? 0,
    maxInFlight: delivery?.maxInFlight,
    waiting: delivery?.waiting ?? 0,
    handled,
    endedOtherwise: others,
    attempts: counts.attempts,
    failedAttempts: counts.failedAttempts,
    attemptTime: counts.attemptTime,
    oldestFailed: delivery?.unfinished.oldestFailed,
    calls,
    oldestSince: delivery?.progress.oldest?.since,
    windowFull: delivery?.heldBy !== undefined,
    required: readiness === "required",
  };
}

/** The circuit breakers of a component, for the ways that it has. */
export function breakersOf(
  policies: Pick<ComponentPolicies, "inbound" | "outbound">,
  { input, output }: ComponentStatus["directions"],
): BreakerStatus[] {
  const directions = [
    ...(input ? ["inbound" as const] : []),
    ...(output ? ["outbound" as const] : []),
  ];
  return directions.flatMap((direction) => {
    const { breaker } = policies[direction];
    return breaker === undefined ? [] : [{ direction, name: breaker.name, state: breaker.state }];
  });
}

/** What a component is called whose type is not known: it is shown, so that nobody has to wonder where it is. */
export function unknownStatus(
  spec: ComponentSpec,
  reason: string,
  since: Date,
  readiness: Readiness,
): ComponentStatus {
  return componentStatus({
    ...{ spec, reason, since, state: "failed", directions: { input: false, output: false } },
    ...{ operations: [], delivery: undefined, counts: newCounts(), calls: new Calls().counts },
    ...{ readiness, paused: undefined, backlog: undefined, rebuilds: 0, breakers: [] },
  });
}

/** What a reader says of its source for the time being. */
export type Condition = { readonly text: string; readonly stalled: boolean };

/** The state with what changes too often, or is too much beside it, to be noted: the app's absence, a full window, a pause. */
export function shownState(
  facts: State & {
    readonly app: App | undefined;
    /** The input waits for the app to be there: the reason is the app's. */
    readonly awaitsApp: boolean;
    readonly delivery: Delivery | undefined;
    readonly paused: Pause | undefined;
    /** What is worth knowing though it works; empty: nothing. */
    readonly notices: string;
    /** What the reader says of its source. */
    readonly condition?: Condition | undefined;
    /** Another replica reads; `undefined`: none does. */
    readonly standby?: Standby | undefined;
    /** Why the source refuses to be read, while the outputs go on; empty: it does not. */
    readonly refusedInput?: string;
    /** Why a changed definition could not follow; empty: none was refused. */
    readonly refusal: string;
  },
): State {
  const { refusal, paused } = facts;
  const current = withStandby(currentState(facts), facts.standby);
  const notices = current.state === "running" ? facts.notices : "";
  return withReason(withPause(withReason(current, notices), paused), refusal);
}

function withReason(state: State, more: string): State {
  if (more === "") return state;
  return { ...state, reason: state.reason === "" ? more : `${state.reason}; ${more}` };
}

function currentState({
  state,
  reason,
  since,
  app,
  awaitsApp,
  delivery,
  condition,
  refusedInput = "",
}: Parameters<typeof shownState>[0]): State {
  if (app !== undefined && !app.available && awaitsApp)
    return { state, reason: app.unavailableReason, since: later(since, app.unavailableSince) };
  if (state === "running" && refusedInput !== "")
    return { state: "stalled", reason: refusedInput, since };
  if (state !== "running" || delivery === undefined || app === undefined)
    return { state, reason, since };
  if (!app.available) {
    const gone = later(since, app.unavailableSince);
    return { state: "waiting for app", reason: app.unavailableReason, since: gone };
  }
  const { blockage, heldBy: held } = delivery;
  if (blockage !== undefined) return { state: "stalled", reason: blockage.reason, since };
  if (held === undefined) {
    if (condition === undefined) return { state, reason: reason || delivery.loop.reason, since };
    return { state: condition.stalled ? "stalled" : state, reason: condition.text, since };
  }
  const text = `the window is full behind ${held.label}, which waits since ${held.since.toISOString()}`;
  return { state: "stalled", reason: text, since };
}

function later(one: Date, other: Date | undefined): Date {
  return other !== undefined && other > one ? other : one;
}

/** An input that another replica reads is all that is told, unless there is no connection. */
function withStandby(state: State, standby: Standby | undefined): State {
  const isOpen = state.state === "running" || state.state === "waiting for app";
  return standby === undefined || !isOpen ? state : { state: "standby", ...standby };
}

const pausable: ReadonlySet<ComponentState> = new Set([
  "starting",
  "running",
  "waiting for app",
  "stalled",
  "standby",
]);

/** A pause is what is told, unless there is no connection, which its outputs need. */
function withPause(state: State, paused: Pause | undefined): State {
  if (paused === undefined) return state;
  const text = `paused by ${paused.by}${paused.reason && `: ${paused.reason}`}`;
  if (pausable.has(state.state)) return { state: "paused", reason: text, since: paused.since };
  return { ...state, reason: `${state.reason}; ${text}` };
}

/** For a call of a component that has no connection. */
export function notConnected(
  name: string,
  { state, reason }: Pick<State, "state" | "reason">,
  isClosed: boolean,
): BindingError {
  const told = reason === "" ? state : `${state}: ${reason}`;
  const text = `component ${name} is not connected (${isClosed ? "it was closed" : told})`;
  return new BindingError("unavailable", text, { effect: "unsent" });
}
