import type { ComponentCounts, Counts } from "./component-counts.ts";
import type { Collection } from "./collection.ts";
import { Durations } from "./durations.ts";
import type { Slices } from "./slices.ts";
import type { Attributes, HistogramDefinition, NumberDefinition } from "./metric-model.ts";

/** Dapr's pairs of a counter and a histogram, with Dapr's names and milliseconds. */
function daprPair(prefix: string, what: string): [NumberDefinition, HistogramDefinition] {
  const count = { name: `${prefix}_count`, type: "counter", help: `${what}.` } as const;
  return [
    { ...count, unit: "", otelName: count.name },
    {
      ...{ name: `${prefix}_latencies`, type: "histogram", boundStyle: "plain", unit: "ms" },
      ...{ help: `${what}: how long they took, in milliseconds.`, otelName: `${prefix}_latencies` },
    },
  ];
}

const [daprOutputs, daprOutputLatencies] = daprPair(
  "dapr_component_output_binding",
  "Invocations of output bindings",
);
const [daprInputs, daprInputLatencies] = daprPair(
  "dapr_component_input_binding",
  "Events that the app was asked to handle",
);

const invocations: HistogramDefinition = {
  ...{ name: "cufflink_invocation_duration_seconds", type: "histogram", unit: "s" },
  ...{ boundStyle: "canonical", help: "How long invocations of outputs took." },
};
const attempts: HistogramDefinition = {
  ...{ name: "cufflink_event_attempt_duration_seconds", type: "histogram", unit: "s" },
  ...{ boundStyle: "canonical", help: "How long attempts to have events handled took." },
};
const leases: NumberDefinition = {
  ...{ name: "cufflink_lease_renewals_total", type: "counter", unit: "{renewal}" },
  help: "Leases of held events that were renewed, or could not be.",
};
const skipped: NumberDefinition = {
  ...{ name: "cufflink_events_skipped_total", type: "counter", unit: "{event}" },
  help: "Events that never come from their source, by reason.",
};

const oldAttempts: NumberDefinition = {
  ...{ name: "cufflink_event_attempts_total", type: "counter", unit: "{attempt}" },
  help: "Attempts to have events handled, by outcome.",
  replacedBy: "cufflink_event_attempt_duration_seconds_count",
};
const relayed: NumberDefinition = {
  ...{ name: "cufflink_relay_events_total", type: "counter", unit: "{event}" },
  help: "Events of the relay: published by the replica that reads the source, there already, and delivered by the server again.",
};
const oldEnds: NumberDefinition = {
  ...{ name: "cufflink_events_ended_total", type: "counter", unit: "{event}" },
  help: "Events that ended otherwise than handled by the app, by how.",
  replacedBy: "cufflink_events_settled_total",
};
const oldMissed: NumberDefinition = {
  ...{ name: "cufflink_events_missed_total", type: "counter", unit: "{event}" },
  help: "Events that never come from their source, by why.",
  replacedBy: skipped.name,
};

/** A value of a label: no spaces. */
export function labelValue(text: string): string {
  return text.replaceAll(" ", "_");
}

/** Writes what was counted of calls and events. `deprecated`: also under the names of before. */
export async function writeCalls(
  page: Collection,
  counts: ComponentCounts,
  { deprecated, slices }: { readonly deprecated: boolean; readonly slices: Slices },
): Promise<void> {
  for (const [component, { operations }] of counts.all) {
    if (slices.isOver) await slices.pause();
    for (const [operation, { succeeded, failed }] of operations) {
      const attributes = { component, operation };
      writeDapr(page, [daprOutputs, daprOutputLatencies], attributes, [
        [succeeded],
        [...failed.values()],
      ]);
      if (succeeded.count > 0) page.histogram(invocations, succeeded.inSeconds(attributes));
      for (const [reason, durations] of failed)
        page.histogram(invocations, durations.inSeconds({ ...attributes, error_type: reason }));
    }
  }
  for (const [component, counted] of counts.all) {
    if (slices.isOver) await slices.pause();
    writeEvents(page, component, counted, deprecated);
  }
}

function writeEvents(
  page: Collection,
  component: string,
  { attempts: attempted, missed, ends, leases: renewals, relayed: hops }: Counts,
  deprecated: boolean,
): void {
  const { handled, refused, dropped } = attempted;
  writeDapr(page, [daprInputs, daprInputLatencies], { component }, [
    handled === undefined ? [] : [handled],
    [refused, dropped].filter((one) => one !== undefined),
  ]);
  for (const [kind, durations] of Object.entries(attempted)) {
    if (durations === undefined) continue;
    page.histogram(attempts, durations.inSeconds({ component, outcome: labelValue(kind) }));
    if (deprecated) page.number(oldAttempts, { component, outcome: kind }, durations.count);
  }
  for (const [why, count] of missed) {
    page.number(skipped, { component, reason: labelValue(why) }, count);
    if (deprecated) page.number(oldMissed, { component, why }, count);
  }
  for (const [outcome, count] of hops) page.number(relayed, { component, outcome }, count);
  if (deprecated) for (const [how, count] of ends) page.number(oldEnds, { component, how }, count);
  for (const outcome of ["renewed", "failed"] as const)
    page.numberIfEver(leases, { component, outcome }, renewals[outcome]);
}

/** Those that succeeded and those that failed; what never was is left out. */
function writeDapr(
  page: Collection,
  [count, latencies]: [NumberDefinition, HistogramDefinition],
  attributes: Attributes,
  [succeeded, failed]: [readonly Durations[], readonly Durations[]],
): void {
  for (const [success, parts] of [
    ["true", succeeded],
    ["false", failed],
  ] as const) {
    if (!parts.some((one) => one.count > 0)) continue;
    const point = Durations.inMilliseconds(parts, { ...attributes, success });
    page.number(count, point.attributes, point.count);
    page.histogram(latencies, point);
  }
}
