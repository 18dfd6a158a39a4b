import { componentStates, type ComponentStatus } from "../runtime/status.ts";
import { labelValue } from "./call-metrics.ts";
import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";
import type { Slices } from "./slices.ts";

type Reading = NumberDefinition & {
  /** `undefined`: the component cannot tell. */
  readonly value: (status: ComponentStatus) => number | undefined;
};

const inFlight: Reading = {
  ...{ name: "cufflink_events_in_flight", type: "gauge", unit: "{event}" },
  help: "Events that the app is handling.",
  value: ({ inFlight }) => inFlight,
};

const readings: readonly Reading[] = [
  inFlight,
  {
    ...{ name: "cufflink_events_waiting", type: "gauge", unit: "{event}" },
    help: "Events received that no request is out for.",
    value: ({ waiting }) => waiting,
  },
  {
    ...{ name: "cufflink_events_oldest_age_seconds", type: "gauge", unit: "s" },
    help: "How long the oldest unsettled event is here; 0 without one.",
    value: ({ oldestSince }) =>
      Math.max(0, Date.now() - (oldestSince?.getTime() ?? Infinity)) / 1000,
  },
  {
    ...{ name: "cufflink_events_backlog", type: "gauge", unit: "{event}" },
    help: "Events still at the source, where it can tell.",
    value: ({ backlog }) => backlog,
  },
  {
    ...{ name: "cufflink_window_full", type: "gauge", unit: "" },
    help: "1 while no more events are read because the window is full behind an unsettled one.",
    value: ({ windowFull }) => Number(windowFull),
  },
  {
    ...{ name: "cufflink_invocations_in_flight", type: "gauge", unit: "{invocation}" },
    help: "Invocations of the output that have not ended.",
    value: ({ calls }) => calls.inFlight,
  },
  {
    ...{ name: "cufflink_component_rebuilds_total", type: "counter", unit: "{rebuild}" },
    help: "Times that a component was reconnected because it stalled.",
    value: ({ rebuilds }) => rebuilds,
  },
];

const inFlightLimit: NumberDefinition = {
  ...{ name: "cufflink_events_in_flight_limit", type: "gauge", unit: "{event}" },
  help: "The most events that the app may be handling at one time.",
};
const settled: NumberDefinition = {
  ...{ name: "cufflink_events_settled_total", type: "counter", unit: "{event}" },
  help: "Events that ended, by outcome.",
};
const oldHandled: NumberDefinition = {
  ...{ name: "cufflink_events_handled_total", type: "counter", unit: "{event}" },
  help: "Events that the app has handled.",
  replacedBy: settled.name,
};
const states: NumberDefinition = {
  ...{ name: "cufflink_component_state", type: "gauge", unit: "" },
  help: "1 for the state that a component is in, 0 for those that it was in.",
};
const breakers: NumberDefinition = {
  ...{ name: "cufflink_breaker_state", type: "gauge", unit: "" },
  help: "1 for the state that a circuit breaker is in, 0 for those that it was in.",
};

const breakerStates = ["closed", "half-open", "open"] as const;

/**
 * Writes what components are and do at this moment. What was zero in each collection so far is left out, but for dead letters
 * of inputs: an alert must see the first one come. `deprecated`: also under the names of before.
 */
export async function writeComponents(
  page: Collection,
  components: readonly ComponentStatus[],
  { deprecated, slices }: { readonly deprecated: boolean; readonly slices: Slices },
): Promise<void> {
  for (const status of components) {
    if (slices.isOver) await slices.pause();
    const { name: component, type } = status;
    for (const { value, ...definition } of readings) {
      const number = value(status);
      if (number !== undefined) page.numberIfEver(definition, { component }, number);
    }
    if (status.maxInFlight !== undefined && page.has(inFlight, { component }))
      page.number(inFlightLimit, { component }, status.maxInFlight);
    writeSettled(page, status, deprecated);
    for (const state of componentStates) {
      const number = state === status.state ? 1 : 0;
      page.numberIfEver(states, { component, type, state: labelValue(state) }, number);
      if (deprecated && state !== labelValue(state))
        page.numberIfEver(states, { component, type, state }, number);
    }
    for (const { direction, name: breaker, state: current } of status.breakers) {
      for (const state of breakerStates) {
        const attributes = { component, direction, breaker, state };
        page.numberIfEver(breakers, attributes, state === current ? 1 : 0);
      }
    }
  }
}

function writeSettled(page: Collection, status: ComponentStatus, deprecated: boolean): void {
  const { name: component, directions, handled, endedOtherwise } = status;
  for (const [outcome, count] of Object.entries({ handled, ...endedOtherwise })) {
    const attributes = { component, outcome: labelValue(outcome) };
    if (directions.input && outcome === "dead letter") page.number(settled, attributes, count);
    else page.numberIfEver(settled, attributes, count);
  }
  if (deprecated) page.numberIfEver(oldHandled, { component }, handled);
}
