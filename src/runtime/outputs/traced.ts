import { clock } from "../../clock.ts";
import { shownFailure } from "../../secrets.ts";
import type { Opened } from "../component/opening.ts";
import { isSampled } from "../trace.ts";
import type { OutputSpan, Span, TracedComponent, Tracer } from "../tracer.ts";
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

/** `used`: the connection, once there is one; its secrets are not shown. Nothing is recorded of what has no span. */
export function recordAttempts(
  tracer: Tracer | undefined,
  component: TracedComponent,
  span: OutputSpan | undefined,
  started: number,
  used: () => Pick<Opened, "redact"> | undefined,
): TracedAttempts | undefined {
  if (tracer === undefined || span === undefined) return undefined;
  return new TracedAttempts(tracer, component, span, started, used);
}

/** The attempts at a recorded operation: a span each, once it is tried again. */
export class TracedAttempts {
  readonly #tracer: Tracer;
  readonly #component: TracedComponent;
  readonly #span: OutputSpan;
  readonly #used: () => Pick<Opened, "redact"> | undefined;
  readonly #began: number;
  #current: Span | undefined;

  /** `started`: when the first attempt did, by `clock.elapsed`. */
  constructor(
    tracer: Tracer,
    component: TracedComponent,
    span: OutputSpan,
    started: number,
    used: () => Pick<Opened, "redact"> | undefined,
  ) {
    this.#tracer = tracer;
    this.#component = component;
    this.#span = span;
    this.#used = used;
    this.#began = clock.now() - (clock.elapsed() - started);
  }

  /** The attempt that is made now; the operation itself, as long as it is the first. */
  get current(): Pick<Span, "traceparent" | "traceId" | "spanId"> {
    return this.#current ?? this.#span;
  }

  begin(attempt: number): void {
    this.#span.repeated(attempt);
    this.#current = this.#tracer.attempt(this.#component, attempt, undefined, this.#span);
  }

  failed(attempt: number, error: unknown): void {
    const { reason: type, message } = shownFailure(error, this.#used()?.redact);
    const span =
      this.#current ??
      this.#tracer.attempt(this.#component, attempt, undefined, this.#span, this.#began);
    span.end({ type, message });
    this.#current = undefined;
  }

  succeeded(): void {
    this.#current?.end();
  }
}

/** A sampled invocation: what it causes belongs to its span. */
class Traced<Given extends Invocation | StreamInvocation> {
  readonly name: string;
  readonly operation: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #given: Given;

  constructor(given: Given, { traceparent }: Pick<Span, "traceparent">) {
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

  constructor(given: Invocation, span: Pick<Span, "traceparent">) {
    super(given, span);
    this.data = given.data;
    this.encoding = given.encoding;
  }
}

export class TracedStream extends Traced<StreamInvocation> implements StreamInvocation {
  readonly body: StreamInvocation["body"];

  constructor(given: StreamInvocation, span: Pick<Span, "traceparent">) {
    super(given, span);
    this.body = given.body;
  }
}
