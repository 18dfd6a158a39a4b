import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span as SdkSpan,
  type SpanContext,
  type Tracer as SdkTracer,
} from "@opentelemetry/api";
import { TraceState } from "@opentelemetry/core";
import {
  AlwaysOnSampler,
  TracerProvider,
  type IdGenerator,
  type TracerProviderOptions,
} from "@opentelemetry/sdk-trace";
import type { BindingError } from "../../errors.ts";
import { beginTrace, spanOf, type Sampling } from "../../runtime/trace.ts";
import type {
  AnswerSpan,
  AppWay,
  CallSpan,
  CallStatus,
  OutputSpan,
  Span,
  SpanFailure,
  SpanPlace,
  SpanValue,
  TracedCall,
  TracedComponent,
  TracedEvent,
  TracedOutput,
  Tracer,
} from "../../runtime/tracer.ts";
import { version } from "../../version.ts";
import { attribute, own, schemaUrl } from "./conventions.ts";
import { fieldText, serverOf, systemOf, type System } from "./systems.ts";

/** Longer texts of failures are cut. */
const longestMessage = 1_000;

/** Makes the runtime's spans by OpenTelemetry's SDK. Whether there is one was decided before it is asked. */
export class OtelTracer implements Tracer {
  readonly sampling: Sampling;
  readonly provider: TracerProvider;
  readonly #ids = new GivenIds();
  readonly #tracer: SdkTracer;

  constructor(sampling: Sampling, options: Omit<TracerProviderOptions, "sampler" | "idGenerator">) {
    this.sampling = sampling;
    const sampler = new AlwaysOnSampler();
    this.provider = new TracerProvider({ ...options, sampler, idGenerator: this.#ids });
    this.#tracer = this.provider.getTracer("cufflink", version, { schemaUrl });
  }

  call(call: TracedCall, place: SpanPlace): CallSpan {
    if (call.kind === "rpc") {
      const { system, method } = call;
      const attributes = { [attribute.rpcSystem]: system, [attribute.rpcMethod]: method };
      return new ServerSpan(this.#start(method, SpanKind.SERVER, attributes, place));
    }
    const { method, route, path } = call;
    const attributes = {
      [attribute.httpMethod]: method,
      [attribute.httpRoute]: route,
      [attribute.urlPath]: path,
      [attribute.urlScheme]: "http",
    };
    return new ServerSpan(this.#start(`${method} ${route}`, SpanKind.SERVER, attributes, place));
  }

  output({ component, operation, size }: TracedOutput, place: SpanPlace): OutputSpan {
    const system = systemOf(component.type);
    const sends = system.kind === "messaging" && sending.has(operation);
    const attributes = {
      ...aboutComponent(component),
      [own.operation]: operation,
      ...aboutOperation(system, operation, sends, size),
    };
    const kind = sends ? SpanKind.PRODUCER : SpanKind.CLIENT;
    const span = this.#start(`${operation} ${component.name}`, kind, attributes, place);
    return new ClientSpan(span, system, operation);
  }

  event({ component, event, redrive }: TracedEvent, place: SpanPlace): Span {
    const system = systemOf(component.type);
    const isMessage = system.kind === "messaging";
    const name = redrive === undefined ? "process" : "redrive";
    const attributes: Attributes = { ...aboutComponent(component) };
    if (isMessage) {
      attributes[attribute.messagingSystem] = system.name;
      attributes[attribute.messagingOperation] = name;
      attributes[attribute.messagingOperationType] = "process";
      attributes[attribute.messagingSize] = event.data?.length ?? 0;
      if (event.id !== undefined) attributes[attribute.messagingId] = event.id;
    }
    for (const [field, attribute] of Object.entries(system.event ?? {})) {
      const value = event.metadata[field];
      if (value !== undefined && value !== "") attributes[attribute] = value;
    }
    if (attributes[attribute.kafkaOffset] !== undefined)
      attributes[attribute.kafkaOffset] = Number(attributes[attribute.kafkaOffset]);
    if (redrive !== undefined) {
      attributes[own.redrive] = redrive.number;
      attributes[own.deadLetter] = redrive.deadLetter;
    }
    const kind = isMessage ? SpanKind.CONSUMER : SpanKind.INTERNAL;
    return new RecordedSpan(this.#start(`${name} ${component.name}`, kind, attributes, place));
  }

  attempt(
    component: TracedComponent,
    number: number,
    of: number | undefined,
    { traceparent: parent }: Pick<Span, "traceparent">,
    began?: number,
  ): Span {
    const attributes: Attributes = { ...aboutComponent(component), [own.attempt]: number };
    if (of !== undefined) attributes[own.attempts] = of;
    const name = `attempt ${component.name}`;
    return new RecordedSpan(this.#start(name, SpanKind.INTERNAL, attributes, { parent }, began));
  }

  answer(component: TracedComponent, { traceparent: parent }: Span): AnswerSpan {
    const attributes = aboutComponent(component);
    const name = `handle ${component.name}`;
    return new AppSpan(this.#start(name, SpanKind.CLIENT, attributes, { parent }));
  }

  disposal(component: TracedComponent, to: string, place: SpanPlace): Span {
    const attributes = { ...aboutComponent(component), [own.destination]: to };
    const name = to === "dead letters" ? "dead letter" : "exhausted";
    return new RecordedSpan(
      this.#start(`${name} ${component.name}`, SpanKind.INTERNAL, attributes, place),
    );
  }

  #start(
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    { parent, own: given, tracestate, links = [] }: SpanPlace,
    startTime?: number,
  ): SdkSpan {
    this.#ids.next(given ?? beginTrace());
    const linked = links.map((link) => ({ context: contextOf(link) }));
    return this.#tracer.startSpan(
      name,
      { kind, attributes, links: linked, ...(startTime !== undefined && { startTime }) },
      parent === undefined ? ROOT_CONTEXT : under(parent, tracestate),
    );
  }
}

/** Operations of messaging bindings that give a message to the system. */
const sending: ReadonlySet<string> = new Set(["create", "publish", "send"]);

function aboutComponent({ name, type }: TracedComponent): Attributes {
  return { [own.component]: name, [own.type]: type };
}

function aboutOperation(
  { kind, name }: System,
  operation: string,
  sends: boolean,
  size: number | undefined,
): Attributes {
  switch (kind) {
    case "messaging":
      return {
        [attribute.messagingSystem]: name,
        [attribute.messagingOperation]: operation,
        ...(sends && { [attribute.messagingOperationType]: "send" }),
        ...(sends && size !== undefined && { [attribute.messagingSize]: size }),
      };
    case "db":
      return { [attribute.dbSystem]: name, [attribute.dbOperation]: operation };
    case "http":
      return { [attribute.httpMethod]: httpMethod(operation) };
    case "rpc":
      return { [attribute.rpcSystem]: name };
    case "other":
      return {};
  }
}

const httpMethods: ReadonlySet<string> = new Set([
  ...["get", "head", "post", "put", "patch", "delete", "options", "trace"],
]);

/** Operations that are no methods of HTTP send something by `POST`. */
function httpMethod(operation: string): string {
  return httpMethods.has(operation) ? operation.toUpperCase() : "POST";
}

/** Gives the SDK the ids that were chosen for a span. */
class GivenIds implements IdGenerator {
  #traceparent = "";

  next(traceparent: string): void {
    this.#traceparent = traceparent;
  }

  generateTraceId(): string {
    return this.#traceparent.slice(3, 35);
  }

  generateSpanId(): string {
    return spanOf(this.#traceparent);
  }
}

function contextOf(traceparent: string): SpanContext {
  const traceFlags = Number.parseInt(traceparent.slice(53, 55), 16);
  return { traceId: traceparent.slice(3, 35), spanId: spanOf(traceparent), traceFlags };
}

function under(traceparent: string, tracestate: string | undefined): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...contextOf(traceparent),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: new TraceState(tracestate) }),
  });
}

class RecordedSpan implements Span {
  readonly traceparent: string;
  readonly traceId: string;
  readonly spanId: string;
  protected readonly span: SdkSpan;
  #ended = false;

  constructor(span: SdkSpan) {
    this.span = span;
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
    this.traceparent = `00-${this.traceId}-${this.spanId}-01`;
  }

  set(name: string, value: SpanValue): void {
    if (value !== undefined && !this.#ended) this.span.setAttribute(name, value);
  }

  note(name: string, values: Readonly<Record<string, SpanValue>>): void {
    if (!this.#ended) this.span.addEvent(name, values);
  }

  end(failure?: SpanFailure): void {
    if (this.#ended) return;
    if (failure !== undefined) {
      this.span.setAttribute(attribute.errorType, failure.type);
      const message = failure.message.slice(0, longestMessage);
      this.span.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    this.#ended = true;
    this.span.end();
  }
}

/** Statuses of gRPC that are the server's failures, by the conventions. */
const serverFailures: ReadonlySet<CallStatus> = new Set([
  ...["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"],
]);

class ServerSpan extends RecordedSpan implements CallSpan {
  override end(status?: CallStatus | SpanFailure, message = ""): void {
    if (typeof status === "object" || status === undefined) return super.end(status);
    setStatus(this, status);
    const hasFailed = typeof status === "number" ? status >= 500 : serverFailures.has(status);
    super.end(hasFailed ? { type: String(status), message } : undefined);
  }
}

class ClientSpan extends RecordedSpan {
  readonly #system: System;
  readonly #operation: string;
  #attempts = 1;

  constructor(span: SdkSpan, system: System, operation: string) {
    super(span);
    this.#system = system;
    this.#operation = operation;
  }

  reached(metadata: Readonly<Record<string, unknown>>): void {
    const { kind, name, target, namespace, server } = this.#system;
    const place = serverOf(metadata, server);
    this.set(attribute.serverAddress, place?.address);
    this.set(attribute.serverPort, place?.port);
    const goal = fieldText(metadata, target);
    if (kind === "messaging") this.set(attribute.messagingDestination, goal);
    if (kind === "db") this.set(attribute.dbCollection, goal);
    if (kind === "db") this.set(attribute.dbNamespace, fieldText(metadata, namespace));
    if (name === "aws.s3") this.set(attribute.s3Bucket, goal);
    if (goal !== undefined && kind !== "other") this.span.updateName(`${this.#operation} ${goal}`);
  }

  repeated(attempt: number): void {
    this.#attempts = attempt;
  }

  override end(
    error?: BindingError | SpanFailure,
    answer?: Readonly<Record<string, string>>,
  ): void {
    if (this.#attempts > 1) this.set(own.attempts, this.#attempts);
    const isHttp = this.#system.kind === "http";
    if (isHttp && this.#attempts > 1) this.set(attribute.httpResends, this.#attempts - 1);
    const status = isHttp ? Number(answer?.["statusCode"]) : Number.NaN;
    if (status >= 100) this.set(attribute.httpStatus, status);
    if (error !== undefined)
      return super.end("reason" in error ? { type: error.reason, message: error.message } : error);
    super.end(status >= 400 ? { type: String(status), message: "" } : undefined);
  }
}

class AppSpan extends RecordedSpan implements AnswerSpan {
  #status: CallStatus | undefined;

  way(way: AppWay): void {
    const { address, port } = way;
    this.set(attribute.serverAddress, address);
    this.set(attribute.serverPort, port);
    if (way.kind === "rpc") {
      this.span.updateName(way.method);
      this.set(attribute.rpcSystem, "grpc");
      this.set(attribute.rpcMethod, way.method);
    } else {
      this.span.updateName("POST");
      this.set(attribute.httpMethod, "POST");
      this.set(attribute.urlPath, way.path);
    }
  }

  status(status: CallStatus): void {
    this.#status = status;
    setStatus(this, status);
  }

  override end(failure?: SpanFailure): void {
    const status = this.#status;
    const hasFailed = typeof status === "number" ? status >= 400 : status !== "OK";
    if (failure === undefined || status === undefined || !hasFailed) return super.end(failure);
    super.end({ type: String(status), message: failure.message });
  }
}

function setStatus(span: RecordedSpan, status: CallStatus): void {
  span.set(typeof status === "number" ? attribute.httpStatus : attribute.rpcStatus, status);
}
