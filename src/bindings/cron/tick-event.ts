import type { InboundEvent } from "../../binding.ts";

/** A tick as an event; `key`: ticks with the same one do not overlap. */
export function tickEvent(
  due: Date,
  key: string | undefined,
  settle: InboundEvent["settle"],
  revoked: AbortSignal,
): InboundEvent {
  return {
    data: new Uint8Array(),
    metadata: { readTimeUTC: formatTime(new Date()), timeZone: process.env["TZ"] || "Local" },
    headers: [],
    id: due.toISOString(),
    key,
    settle,
    revoked,
  };
}

/** The way Go prints a time in UTC: `2026-11-23 02:56:46.8 +0000 UTC`, the fraction without trailing zeros. */
function formatTime(time: Date): string {
  const text = time
    .toISOString()
    .replace("T", " ")
    .replace(/\.?0*Z$/, "");
  return `${text} +0000 UTC`;
}
