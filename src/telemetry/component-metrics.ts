import { componentStates, type ComponentStatus } from "../runtime/status.ts";
import type { Exposition, Labels } from "./exposition.ts";

type Reading = {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** `undefined`: the component cannot tell. */
  readonly value: (status: ComponentStatus) => number | undefined;
};

const readings: readonly Reading[] = [
  {
    name: "cufflink_events_in_flight",
    type: "gauge",
    help: "Events that the app is handling.",
    value: ({ inFlight }) => inFlight,
  },
  {
    name: "cufflink_events_waiting",
    type: "gauge",
    help: "Events received that no request is out for.",
    value: ({ waiting }) => waiting,
  },
  {
    name: "cufflink_events_handled_total",
    type: "counter",
    help: "Events that the app has handled.",
    value: ({ handled }) => handled,
  },
  {
    name: "cufflink_events_oldest_age_seconds",
    type: "gauge",
    help: "How long the oldest unsettled event is here; 0 without one.",
    value: ({ oldestSince }) =>
      Math.max(0, Date.now() - (oldestSince?.getTime() ?? Infinity)) / 1000,
  },
  {
    name: "cufflink_events_backlog",
    type: "gauge",
    help: "Events still at the source, where it can tell.",
    value: ({ backlog }) => backlog,
  },
  {
    name: "cufflink_window_full",
    type: "gauge",
    help: "1 while no more events are read because the window is full behind an unsettled one.",
    value: ({ windowFull }) => Number(windowFull),
  },
  {
    name: "cufflink_component_rebuilds_total",
    type: "counter",
    help: "Times that a component was reconnected because it stalled.",
    value: ({ rebuilds }) => rebuilds,
  },
];

const breakerStates = ["closed", "half-open", "open"] as const;

/** Writes what components are and do at this moment. What was zero at each page so far is left out. */
export function writeComponents(
  page: Exposition,
  appId: string,
  components: readonly ComponentStatus[],
): void {
  const labelsOf = ({ name }: ComponentStatus): Labels => ({ app_id: appId, component: name });
  for (const { name, type, help, value } of readings) {
    page.metric(name, type, help);
    for (const status of components) {
      const number = value(status);
      if (number !== undefined) page.sampleIfEver(name, labelsOf(status), number);
    }
  }
  const name = "cufflink_component_state";
  page.metric(name, "gauge", "1 for the state that a component is in, 0 for those that it was in.");
  for (const status of components) {
    for (const state of componentStates) {
      const labels = { ...labelsOf(status), type: status.type, state };
      page.sampleIfEver(name, labels, state === status.state ? 1 : 0);
    }
  }
  writeBreakers(page, components, labelsOf);
}

function writeBreakers(
  page: Exposition,
  components: readonly ComponentStatus[],
  labelsOf: (status: ComponentStatus) => Labels,
): void {
  const name = "cufflink_breaker_state";
  page.metric(
    name,
    "gauge",
    "1 for the state that a circuit breaker is in, 0 for those that it was in.",
  );
  for (const status of components) {
    for (const { direction, name: breaker, state: current } of status.breakers) {
      for (const state of breakerStates) {
        const labels = { ...labelsOf(status), direction, breaker, state };
        page.sampleIfEver(name, labels, state === current ? 1 : 0);
      }
    }
  }
}
