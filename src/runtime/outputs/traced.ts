import { isSampled } from "../trace.ts";
import type { OutputSpan, Span, SpanContext, TracedComponent, Tracer } from "../tracer.ts";
import type { Invocation, StreamInvocation } from "./invocation.ts";

/**
 * Begins the span of an operation where its trace is sampled. `cause`: the span of the runtime's own work that calls it; a
 * traceparent among the metadata is then the new span's own.
 */
export function beginOutput(
  tracer: Tracer | undefined,
  component: TracedComponent,
  invocation: Invocation | StreamInvocation,
  cause: Span | undefined,
): OutputSpan | undefined {
  if (tracer === undefined) return undefined;
  const { metadata } = invocation;
  const { traceparent } = metadata;
  if (cause === undefined && !isSampled(traceparent)) return undefined;
  const { tracestate } = metadata;
  const size = "data" in invocation ? (invocation.data?.length ?? 0) : undefined;
  const output = { component, operation: invocation.operation, size };
  if (cause === undefined) return tracer.output(output, { parent: traceparent, tracestate });
  return tracer.output(output, { parent: cause.traceparent, own: traceparent, tracestate });
}

/** A sampled invocation: what it causes belongs to the attempt's span. */
class Traced<Given extends Invocation | StreamInvocation> {
  readonly name: string;
  readonly operation: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #given: Given;

  constructor(given: Given, { traceparent }: SpanContext) {
    this.name = given.name;
    this.operation = given.operation;
    this.metadata = { ...given.metadata, traceparent };
    this.#given = given;
  }

  get signal(): AbortSignal {
    return this.#given.signal;
  }

  get deadline(): number | undefined {
    return this.#given.deadline;
  }
}

export class TracedInvocation extends Traced<Invocation> implements Invocation {
  readonly data: Uint8Array | undefined;
  readonly encoding: "bytes" | "json";

  constructor(given: Invocation, attempt: SpanContext) {
    super(given, attempt);
    this.data = given.data;
    this.encoding = given.encoding;
  }
}

export class TracedStream extends Traced<StreamInvocation> implements StreamInvocation {
  readonly body: StreamInvocation["body"];

  constructor(given: StreamInvocation, attempt: SpanContext) {
    super(given, attempt);
    this.body = given.body;
  }
}
