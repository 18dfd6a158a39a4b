import type { RequestHead } from "../grpc/request-head.ts";
import { beginTrace, heed, isSampled, isTraceparent, type Sampling } from "../runtime/trace.ts";
import type { CallSpan, TracedCall, Tracer } from "../runtime/tracer.ts";

/**
 * The W3C trace context of a request: what its headers say, else what its own metadata says, else one begun
 * here. To be put over the metadata.
 */
export function traceOfRequest(
  head: RequestHead,
  metadata: Readonly<Record<string, string>> = {},
  sampling?: Sampling,
): Record<string, string> {
  const parent = parentOfHead(head);
  const own = metadata["traceparent"];
  const given = parent ?? (isTraceparent(own) ? own : undefined);
  const trace: Record<string, string> = {
    traceparent: given === undefined ? beginTrace(sampling?.threshold) : heed(given, sampling),
  };
  const state = parent === undefined ? undefined : head.get("tracestate");
  if (state !== undefined) trace["tracestate"] = state;
  const baggage = head.get("baggage");
  if (baggage !== undefined && baggage !== "") trace["baggage"] = baggage;
  return trace;
}

/** The traceparent of the caller's span; `undefined`: its headers name none. */
function parentOfHead(head: RequestHead): string | undefined {
  const given = head.get("traceparent");
  return isTraceparent(given) ? given : fromBinary(head.get("grpc-trace-bin"));
}

/**
 * Begins the span of a call where its trace is sampled, and puts its context into the trace. `own`: the request's
 * metadata, before the trace was put over it.
 */
export function beginCall(
  tracer: Tracer,
  call: TracedCall,
  head: RequestHead,
  trace: Record<string, string>,
  own: Readonly<Record<string, string>>,
): CallSpan {
  const { traceparent, tracestate } = trace;
  const isCaused = parentOfHead(head) !== undefined || isTraceparent(own["traceparent"]);
  const place = isCaused ? { parent: traceparent, tracestate } : { own: traceparent };
  const span = tracer.call(call, place);
  trace["traceparent"] = span.traceparent;
  return span;
}

/** A call of ours as spans name it; `protocol`: as Connect names it. */
export function tracedRpc(method: string, protocol: string): TracedCall {
  return { kind: "rpc", system: protocol === "connect" ? "connectrpc" : "grpc", method };
}

/** The trace of a call that has several invocations, and of each of them. */
export type SharedTrace = {
  /** Present where the call is sampled. */
  readonly span: CallSpan | undefined;
  /** What goes over the metadata of an invocation. */
  readonly of: (metadata: Readonly<Record<string, string>>) => Record<string, string>;
};

/**
 * The trace context of each invocation of a call: the call's own where its headers have one, or where it is sampled
 * and the invocation brings none; else one of the invocation's own.
 */
export function sharedTrace(
  head: RequestHead,
  tracer: Tracer | undefined,
  call: () => TracedCall,
): SharedTrace {
  const sampling = tracer?.sampling;
  const isGiven = parentOfHead(head) !== undefined;
  if (!isGiven && tracer === undefined)
    return { span: undefined, of: (metadata) => traceOfRequest(head, metadata) };
  const shared = traceOfRequest(head, {}, sampling);
  const span =
    tracer !== undefined && isSampled(shared["traceparent"])
      ? beginCall(tracer, call(), head, shared, {})
      : undefined;
  if (isGiven) return { span, of: () => shared };
  return {
    span,
    of(metadata) {
      if (isTraceparent(metadata["traceparent"])) return traceOfRequest(head, metadata, sampling);
      return span === undefined ? traceOfRequest(head) : shared;
    },
  };
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
