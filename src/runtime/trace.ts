import { randomBytes } from "node:crypto";
import type { InboundEvent } from "../binding.ts";

const validParent =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The W3C trace context that an event brought along, or one begun here. */
export function traceOf(event: Pick<InboundEvent, "headers" | "metadata">): Record<string, string> {
  const trace: Record<string, string> = {};
  const parent = fieldOf(event, "traceparent");
  const isTraced = isTraceparent(parent);
  trace["traceparent"] = isTraced ? parent : beginTrace();
  const state = isTraced ? fieldOf(event, "tracestate") : undefined;
  if (state !== undefined && state !== "") trace["tracestate"] = state;
  const baggage = fieldOf(event, "baggage");
  if (baggage !== undefined && baggage !== "") trace["baggage"] = baggage;
  return trace;
}

/** The last header of that name counts, and else what the binding says. */
function fieldOf(
  { headers, metadata }: Pick<InboundEvent, "headers" | "metadata">,
  field: string,
): string | undefined {
  for (let index = headers.length - 1; index >= 0; index--) {
    const header = headers[index];
    if (header?.name.length === field.length && header.name.toLowerCase() === field)
      return Buffer.from(header.value).toString("utf8");
  }
  return metadata[field];
}

/** Whether the text is a W3C traceparent with real ids. */
export function isTraceparent(text: string | undefined): text is string {
  return text !== undefined && validParent.test(text);
}

const digits = Buffer.from("0123456789abcdef");
const traceIdBytes = 16;
const idBytes = 24;
const firstId = 3;
let pool = Buffer.alloc(0);
let used = 0;
const begun = Buffer.from(`00-${"0".repeat(32)}-${"0".repeat(16)}-00`);

/** A fresh traceparent, not sampled: nobody here records it. */
export function beginTrace(): string {
  // Random bytes are asked for in blocks: one system call for 340 traces.
  if (used === pool.length) {
    pool = randomBytes(idBytes * 340);
    used = 0;
  }
  // Each event has one: in place, this costs half of what two calls for hexadecimal digits do.
  let at = firstId;
  for (let index = 0; index < idBytes; index++) {
    if (index === traceIdBytes) at++;
    const byte = pool[used++] ?? 0;
    begun[at++] = digits[byte >> 4] ?? 0;
    begun[at++] = digits[byte & 15] ?? 0;
  }
  return begun.toString("latin1");
}

/** A traceparent of the same trace, with a span of its own. */
export function childOf(traceparent: string | undefined): string {
  const begun = beginTrace();
  if (!isTraceparent(traceparent)) return begun;
  return `00-${traceparent.slice(3, 35)}-${spanOf(begun)}-${traceparent.slice(53, 55)}`;
}

/** The id of a traceparent's span. */
export function spanOf(traceparent: string): string {
  return traceparent.slice(36, 52);
}
