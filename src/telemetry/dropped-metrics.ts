import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";

const dropped: NumberDefinition = {
  ...{ name: "cufflink_telemetry_dropped_total", type: "counter", unit: "{item}" },
  help: "Spans and data points that did not come to a receiver, by signal.",
};

/** Writes what did not come to a receiver, of the signals that are exported. */
export function writeDropped(
  page: Collection,
  counts: Readonly<Partial<Record<"traces" | "metrics", number | undefined>>>,
): void {
  for (const [signal, count] of Object.entries(counts))
    if (count !== undefined) page.number(dropped, { signal }, count);
}
