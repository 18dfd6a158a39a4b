import type { MemoryShare } from "../memory/budget.ts";
import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";

const held: NumberDefinition = {
  ...{ name: "cufflink_memory_held_bytes", type: "gauge", unit: "By" },
  help: "Bytes of requests, messages and answers that are held.",
};
const limits: NumberDefinition = {
  ...{ name: "cufflink_memory_limit_bytes", type: "gauge", unit: "By" },
  help: "The most that may be held.",
};
const refused: NumberDefinition = {
  ...{ name: "cufflink_memory_refusals_total", type: "counter", unit: "{refusal}" },
  help: "Times that there was no room.",
};

/** Who holds how much, of one budget or of several. */
export type MemoryUse = {
  readonly shares: readonly Pick<MemoryShare, "name" | "used" | "limit" | "refusals">[];
};

/** Writes what others' data takes, by who holds it. Refusals are told from 0 on: an alert must see the first one. */
export function writeMemory(page: Collection, { shares }: MemoryUse): void {
  for (const { name: share, used, limit, refusals } of shares) {
    page.numberIfEver(held, { share }, used);
    if (page.has(held, { share })) page.number(limits, { share }, limit);
    page.number(refused, { share }, refusals);
  }
}
