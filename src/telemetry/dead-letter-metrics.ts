import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { DeadLetterTotal } from "../store/store.ts";
import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";

const redriven: NumberDefinition = {
  ...{ name: "cufflink_dead_letters_redriven_total", type: "counter", unit: "{dead_letter}" },
  help: "Dead letters that were redriven, by what came of it.",
};
const dropped: NumberDefinition = {
  ...{ name: "cufflink_dead_letters_dropped_total", type: "counter", unit: "{dead_letter}" },
  help: "Dead letters that were removed by a command.",
};
const expired: NumberDefinition = {
  ...{ name: "cufflink_dead_letters_expired_total", type: "counter", unit: "{dead_letter}" },
  help: "Dead letters that the store's retention removed.",
};
const stored: NumberDefinition = {
  ...{ name: "cufflink_dead_letters", type: "gauge", unit: "{dead_letter}" },
  help: "Dead letters that are stored.",
};
const size: NumberDefinition = {
  ...{ name: "cufflink_dead_letters_bytes", type: "gauge", unit: "By" },
  // Unlike that of a number, the name of a size may not be the start of other names.
  otelName: "cufflink.dead_letters_size",
  help: "What dead letters take in the store.",
};
const age: NumberDefinition = {
  ...{ name: "cufflink_dead_letters_oldest_age_seconds", type: "gauge", unit: "s" },
  help: "How long the oldest dead letter is stored.",
};

/** Writes what happened to dead letters since the start, and how many there are; `undefined`: nobody knows. */
export function writeDeadLetters(
  page: Collection,
  counts: DeadLetterManager["counts"],
  totals: readonly DeadLetterTotal[] | undefined,
): void {
  for (const [component, counted] of counts) {
    page.number(redriven, { component, outcome: "handled" }, counted.handled);
    page.number(redriven, { component, outcome: "refused" }, counted.refused);
    page.number(dropped, { component }, counted.dropped);
    page.number(expired, { component }, counted.expired);
  }
  for (const { component, count, bytes, oldest } of totals ?? []) {
    page.number(stored, { component }, count);
    page.number(size, { component }, bytes);
    page.number(age, { component }, Math.max(0, Date.now() - oldest) / 1000);
  }
}
