import type { MemoryBudget } from "../memory/budget.ts";
import type { Exposition } from "./exposition.ts";

/** What others' data takes, by who holds it. */
export function writeMemory(
  page: Exposition,
  appId: string,
  { shares }: Pick<MemoryBudget, "shares">,
): void {
  const held = "cufflink_memory_held_bytes";
  page.metric(held, "gauge", "Bytes of requests, messages and answers that are held.");
  for (const { name, used } of shares)
    page.sampleIfEver(held, { app_id: appId, share: name }, used);
  const limits = "cufflink_memory_limit_bytes";
  page.metric(limits, "gauge", "The most that may be held.");
  for (const { name, limit } of shares)
    if (page.has(held, { app_id: appId, share: name }))
      page.sample(limits, { app_id: appId, share: name }, limit);
  const refusals = "cufflink_memory_refusals_total";
  page.metric(refusals, "counter", "Times that there was no room.");
  for (const share of shares)
    page.sampleIfEver(refusals, { app_id: appId, share: share.name }, share.refusals);
}
