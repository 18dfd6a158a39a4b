import {
  ROOT_CONTEXT,
  SpanKind,
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
  TracedCall,
  TracedComponent,
  TracedEvent,
  TracedOutput,
  Tracer,
} from "../../runtime/tracer.ts";
import { version } from "../../version.ts";
import { aboutComponent, attribute, own, schemaUrl } from "./conventions.ts";
import { OperationSpan } from "./operation-span.ts";
import { RecordedSpan } from "./recorded-span.ts";
import { systemOf } from "./systems.ts";

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

  output(output: TracedOutput, place: SpanPlace): OutputSpan {
    return new OperationSpan((...given) => this.#start(...given), output, place);
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
    { traceparent: parent }: Span,
  ): Span {
    const attributes: Attributes = { ...aboutComponent(component), [own.attempt]: number };
    if (of !== undefined) attributes[own.attempts] = of;
    const name = `attempt ${component.name}`;
    return new RecordedSpan(this.#start(name, SpanKind.INTERNAL, attributes, { parent }));
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
    return this.#tracer.startSpan(
      name,
      {
        ...{ kind, attributes, links: links.map((link) => ({ context: contextOf(link) })) },
        ...(startTime !== undefined && { startTime }),
      },
      parent === undefined ? ROOT_CONTEXT : under(parent, tracestate),
    );
  }
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
