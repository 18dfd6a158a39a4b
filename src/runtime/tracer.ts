import type { BindingError } from "../errors.ts";
import type { InboundEvent } from "../binding.ts";
import type { Sampling } from "./trace.ts";

export type SpanValue = string | number | boolean | undefined;

/** Why a span's work failed: a word of few, and a text for people. */
export type SpanFailure = { readonly type: string; readonly message: string };

/** How a span is known to what it causes. */
export type SpanContext = {
  /** Its W3C trace context, the parent of what it causes. */
  readonly traceparent: string;
  readonly traceId: string;
  readonly spanId: string;
};

/** Work that is recorded. There is none of work that is not sampled. */
export type Span = SpanContext & {
  set(name: string, value: SpanValue): void;
  /** Notes that something happened. */
  note(name: string, values: Readonly<Record<string, SpanValue>>): void;
  /** Ends it, once. Absent: it went well. */
  end(failure?: SpanFailure): void;
};

/** Where a span belongs. */
export type SpanPlace = {
  /** The traceparent of what has caused it. Absent: it begins its trace. */
  readonly parent?: string | undefined;
  /** The traceparent that it is known by already: its trace and its own id. Absent: its parent's trace, and a new id. */
  readonly own?: string | undefined;
  readonly tracestate?: string | undefined;
  /** The traceparents of other causes. */
  readonly links?: readonly string[];
};

/** A component as spans name it. */
export type TracedComponent = {
  readonly name: string;
  /** `bindings.kafka`. */
  readonly type: string;
};

/** A call of this runtime. */
export type TracedCall =
  | { readonly kind: "rpc"; readonly system: "grpc" | "connectrpc"; readonly method: string }
  | {
      readonly kind: "http";
      readonly method: string;
      readonly route: string;
      readonly path: string;
    };

/** How a call was answered: gRPC's name of a status, or HTTP's number. */
export type CallStatus = string | number;

export type CallSpan = Omit<Span, "end"> & {
  /** `message`: of a failure. */
  end(status: CallStatus, message?: string): void;
};

/** An operation of an output. */
export type TracedOutput = {
  readonly component: TracedComponent;
  readonly operation: string;
  /** Bytes of the payload; `undefined`: it is not known. */
  readonly size: number | undefined;
};

/** An operation with its attempts. */
export type OutputSpan = {
  readonly traceId: string;
  /** The operation's; that of its attempt as long as there is only one. */
  readonly spanId: string;
  /** The attempt that is made now: what the system is told of. */
  readonly attempt: SpanContext;
  /** What the component's fields say, once the attempt has its connection. */
  reached(metadata: Readonly<Record<string, unknown>>): void;
  /** The attempt failed, and another one is to follow. */
  failed(error: BindingError): void;
  /** Another attempt begins, after a pause in milliseconds. */
  again(wait: number): void;
  /** Ends the operation and its attempt, once. */
  end(error: BindingError | undefined, answer?: Readonly<Record<string, string>>): void;
};

/** An event from its coming to its settlement. */
export type TracedEvent = {
  readonly component: TracedComponent;
  readonly event: Pick<InboundEvent, "data" | "metadata" | "id" | "key">;
  /** Which delivery of a dead letter it is, and the dead letter's id. */
  readonly redrive?: { readonly number: number; readonly deadLetter: string } | undefined;
};

/** How an event goes to the app. */
export type AppWay = { readonly address: string; readonly port: number } & (
  | { readonly kind: "rpc"; readonly method: string }
  | { readonly kind: "http"; readonly path: string }
);

/** The app's handling of one attempt, as the runtime sees it. */
export type AnswerSpan = Span & {
  /** Told by the side that reaches the app. */
  way(way: AppWay): void;
  status(status: CallStatus): void;
};

/** Makes spans. Absent where nothing is traced; asked only about work that is sampled. */
export type Tracer = {
  readonly sampling: Sampling;
  call(call: TracedCall, place: SpanPlace): CallSpan;
  output(output: TracedOutput, place: SpanPlace): OutputSpan;
  event(event: TracedEvent, place: SpanPlace): Span;
  /** `of`: how many the policy allows; `undefined`: without end. */
  attempt(component: TracedComponent, number: number, of: number | undefined, parent: Span): Span;
  answer(component: TracedComponent, parent: Span): AnswerSpan;
  /** An exhausted event is brought where it belongs. */
  disposal(component: TracedComponent, to: string, place: SpanPlace): Span;
};
