import type { RequestHead } from "../grpc/request-head.ts";
import { beginTrace, isTraceparent } from "../runtime/trace.ts";

/**
 * The W3C trace context of a request: what its headers say, else what its own metadata says, else one begun
 * here. To be put over the metadata.
 */
export function traceOfRequest(
  head: RequestHead,
  metadata: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const given = head.get("traceparent");
  const parent = isTraceparent(given) ? given : fromBinary(head.get("grpc-trace-bin"));
  const own = metadata["traceparent"];
  const trace: Record<string, string> = {
    traceparent: parent ?? (isTraceparent(own) ? own : beginTrace()),
  };
  const state = parent === undefined ? undefined : head.get("tracestate");
  if (state !== undefined) trace["tracestate"] = state;
  const baggage = head.get("baggage");
  if (baggage !== undefined && baggage !== "") trace["baggage"] = baggage;
  return trace;
}

/** Why a `baggage` header cannot be read; `undefined`: it can, or there is none. */
export function baggageProblem(head: RequestHead): string | undefined {
  const baggage = head.get("baggage");
  if (baggage === undefined || baggage === "") return undefined;
  for (const member of baggage.split(",")) {
    const [pair = ""] = member.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    if (equals < 0 || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) {
      return `invalid baggage header: ${JSON.stringify(member.trim())} is no member of the form name=value`;
    }
  }
  return undefined;
}

/** OpenCensus' binary form: version, then field 0 (trace id), 1 (span id), 2 (options). */
function fromBinary(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 29 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[18] !== 1 || bytes[27] !== 2)
    return undefined;
  const flags = (bytes[28] ?? 0).toString(16).padStart(2, "0");
  const parent = `00-${bytes.toString("hex", 2, 18)}-${bytes.toString("hex", 19, 27)}-${flags}`;
  return isTraceparent(parent) ? parent : undefined;
}
