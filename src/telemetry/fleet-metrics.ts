import type { FleetDescription, FleetObserver } from "../fleet/description.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";

const replicas: NumberDefinition = {
  ...{ name: "cufflink_replicas", type: "gauge", unit: "{replica}" },
  help: "Replicas of the app that share its store and live, as this one knows.",
};
const owned: NumberDefinition = {
  ...{ name: "cufflink_component_owned", type: "gauge", unit: "" },
  help: "1 if this replica alone reads the component, 0 if another one does.",
};
const ownedSince: NumberDefinition = {
  ...{ name: "cufflink_component_owned_since_seconds", type: "gauge", unit: "s" },
  help: "Since when this replica alone reads the component, in seconds since 1970.",
};
const backlog: NumberDefinition = {
  ...{ name: "cufflink_fleet_events_backlog", type: "gauge", unit: "{event}" },
  help: "Events still at the source for all replicas, where one can tell.",
};

/** Writes what this replica owns, and what is known of all: `undefined`: the store does not tell now. */
export function writeFleet(
  page: Collection,
  components: readonly ComponentStatus[],
  fleet: Pick<FleetObserver, "owns">,
  all: FleetDescription | undefined,
): void {
  for (const { name: component } of components) {
    const owner = fleet.owns(component);
    if (owner === undefined) continue;
    page.number(owned, { component }, Number(owner.owns));
    if (owner.owns) page.number(ownedSince, { component }, owner.since / 1000);
  }
  if (all === undefined) return;
  page.number(replicas, {}, all.replicas.length);
  // No more series than this replica has components, whatever the others announce.
  const own = new Set(components.map(({ name }) => name));
  for (const { name: component, backlog: waiting } of all.components)
    if (waiting !== undefined && own.has(component)) page.number(backlog, { component }, waiting);
}
