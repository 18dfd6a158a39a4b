import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { DeadLetterTotal } from "../store/store.ts";
import type { Exposition } from "./exposition.ts";

/** Writes what happened to dead letters since the start, and how many there are; `undefined`: nobody knows. */
export function writeDeadLetters(
  page: Exposition,
  appId: string,
  counts: DeadLetterManager["counts"],
  totals: readonly DeadLetterTotal[] | undefined,
): void {
  const redriven = "cufflink_dead_letters_redriven_total";
  page.metric(redriven, "counter", "Dead letters that were redriven, by what came of it.");
  for (const [component, { handled, refused }] of counts) {
    page.sample(redriven, { app_id: appId, component, outcome: "handled" }, handled);
    page.sample(redriven, { app_id: appId, component, outcome: "refused" }, refused);
  }
  const dropped = "cufflink_dead_letters_dropped_total";
  page.metric(dropped, "counter", "Dead letters that were removed by a command.");
  for (const [component, one] of counts)
    page.sample(dropped, { app_id: appId, component }, one.dropped);
  const expired = "cufflink_dead_letters_expired_total";
  page.metric(expired, "counter", "Dead letters that the store's retention removed.");
  for (const [component, one] of counts)
    page.sample(expired, { app_id: appId, component }, one.expired);
  if (totals === undefined) return;
  page.metric("cufflink_dead_letters", "gauge", "Dead letters that are stored.");
  for (const { component, count } of totals)
    page.sample("cufflink_dead_letters", { app_id: appId, component }, count);
  page.metric("cufflink_dead_letters_bytes", "gauge", "What they take in the store.");
  for (const { component, bytes } of totals)
    page.sample("cufflink_dead_letters_bytes", { app_id: appId, component }, bytes);
  const age = "cufflink_dead_letters_oldest_age_seconds";
  page.metric(age, "gauge", "How long the oldest is stored.");
  for (const { component, oldest } of totals) {
    const seconds = Math.max(0, Date.now() - oldest) / 1000;
    page.sample(age, { app_id: appId, component }, seconds);
  }
}
