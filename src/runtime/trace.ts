import { randomBytes } from "node:crypto";
import type { InboundEvent } from "../binding.ts";

const traceFields = ["traceparent", "tracestate", "baggage"] as const;
const validParent =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The W3C trace context that an event brought along, or one begun here. */
export function traceOf(event: Pick<InboundEvent, "headers" | "metadata">): Record<string, string> {
  const trace: Record<string, string> = {};
  for (const name of traceFields) {
    const header = event.headers.findLast((one) => one.name.toLowerCase() === name);
    const text =
      header === undefined ? event.metadata[name] : Buffer.from(header.value).toString("utf8");
    if (text !== undefined && text !== "") trace[name] = text;
  }
  if (!isTraceparent(trace["traceparent"])) {
    trace["traceparent"] = beginTrace();
    delete trace["tracestate"];
  }
  return trace;
}

/** Whether the text is a W3C traceparent with real ids. */
export function isTraceparent(text: string | undefined): text is string {
  return text !== undefined && validParent.test(text);
}

let pool = Buffer.alloc(0);
let used = 0;

/** A fresh traceparent, not sampled: nobody here records it. */
export function beginTrace(): string {
  // Random bytes are asked for in blocks: one system call for 170 traces.
  if (used + 24 > pool.length) {
    pool = randomBytes(24 * 170);
    used = 0;
  }
  const traceId = pool.toString("hex", used, used + 16);
  const spanId = pool.toString("hex", used + 16, used + 24);
  used += 24;
  return `00-${traceId}-${spanId}-00`;
}
