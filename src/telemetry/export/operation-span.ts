import { SpanKind, type Attributes, type Span as SdkSpan } from "@opentelemetry/api";
import type { BindingError } from "../../errors.ts";
import { childOf } from "../../runtime/trace.ts";
import type {
  OutputSpan,
  SpanContext,
  SpanFailure,
  SpanPlace,
  TracedOutput,
} from "../../runtime/tracer.ts";
import { aboutComponent, attribute, own } from "./conventions.ts";
import { RecordedSpan } from "./recorded-span.ts";
import { fieldText, serverOf, systemOf, type System } from "./systems.ts";

/** `startTime`: milliseconds since 1970; absent: now. */
type Start = (
  name: string,
  kind: SpanKind,
  attributes: Attributes,
  place: SpanPlace,
  startTime?: number,
) => SdkSpan;

/**
 * An operation of an output. Its only attempt is its span. Once an attempt is to follow a failed one, the operation gets a span of
 * its own above the spans of the attempts; the first attempt keeps the id that the system was told.
 */
export class OperationSpan implements OutputSpan {
  readonly #start: Start;
  readonly #output: TracedOutput;
  readonly #place: SpanPlace;
  readonly #system: System;
  readonly #began = Date.now();
  #attempt: RecordedSpan;
  #attempts = 1;
  #whole: RecordedSpan | undefined;
  #metadata: Readonly<Record<string, unknown>> | undefined;

  constructor(start: Start, output: TracedOutput, place: SpanPlace) {
    this.#start = start;
    this.#output = output;
    this.#place = place;
    this.#system = systemOf(output.component.type);
    this.#attempt = this.#begin(place);
  }

  get traceId(): string {
    return this.#attempt.traceId;
  }

  get spanId(): string {
    return (this.#whole ?? this.#attempt).spanId;
  }

  get attempt(): SpanContext {
    return this.#attempt;
  }

  reached(metadata: Readonly<Record<string, unknown>>): void {
    this.#metadata = metadata;
    const { kind, name, target, namespace, server } = this.#system;
    const place = serverOf(metadata, server);
    const attempt = this.#attempt;
    attempt.set(attribute.serverAddress, place?.address);
    attempt.set(attribute.serverPort, place?.port);
    const goal = fieldText(metadata, target);
    if (kind === "messaging") attempt.set(attribute.messagingDestination, goal);
    if (kind === "db") attempt.set(attribute.dbCollection, goal);
    if (kind === "db") attempt.set(attribute.dbNamespace, fieldText(metadata, namespace));
    if (name === "aws.s3") attempt.set(attribute.s3Bucket, goal);
    if (goal !== undefined && kind !== "other") attempt.rename(`${this.#output.operation} ${goal}`);
  }

  failed(error: BindingError): void {
    if (this.#whole === undefined) this.#raise();
    this.#attempt.end(failureOf(error));
  }

  again(wait: number): void {
    this.#attempts++;
    this.#attempt = this.#begin(this.#below(), {
      [own.attempt]: this.#attempts,
      [own.wait]: wait / 1_000,
      ...(this.#system.kind === "http" && { [attribute.httpResends]: this.#attempts - 1 }),
    });
  }

  end(error?: BindingError, answer?: Readonly<Record<string, string>>): void {
    const status = this.#system.kind === "http" ? Number(answer?.["statusCode"]) : Number.NaN;
    if (status >= 100) this.#attempt.set(attribute.httpStatus, status);
    const failure =
      error !== undefined
        ? failureOf(error)
        : status >= 400
          ? { type: String(status), message: "" }
          : undefined;
    this.#attempt.end(failure);
    this.#whole?.set(own.attempts, this.#attempts);
    this.#whole?.end(failure);
  }

  /** The span of the operation begins with its first attempt, which the SDK makes anew, below it; the former is never ended. */
  #raise(): void {
    const { component, operation } = this.#output;
    const { traceparent } = this.#attempt;
    this.#whole = new RecordedSpan(
      this.#start(
        `${operation} ${component.name}`,
        SpanKind.INTERNAL,
        { ...aboutComponent(component), [own.operation]: operation },
        { ...this.#place, own: childOf(traceparent) },
        this.#began,
      ),
    );
    const place = { ...this.#below(), own: traceparent };
    this.#attempt = this.#begin(place, { [own.attempt]: 1 }, this.#began);
    if (this.#metadata !== undefined) this.reached(this.#metadata);
  }

  #below(): SpanPlace {
    return { parent: this.#whole?.traceparent, tracestate: this.#place.tracestate };
  }

  #begin(place: SpanPlace, more?: Attributes, startTime?: number): RecordedSpan {
    const { component, operation, size } = this.#output;
    const sends = this.#system.kind === "messaging" && sending.has(operation);
    const attributes = {
      ...aboutComponent(component),
      [own.operation]: operation,
      ...aboutOperation(this.#system, operation, sends, size),
      ...more,
    };
    const kind = sends ? SpanKind.PRODUCER : SpanKind.CLIENT;
    const name = `${operation} ${component.name}`;
    return new RecordedSpan(this.#start(name, kind, attributes, place, startTime));
  }
}

function failureOf({ reason, message }: BindingError): SpanFailure {
  return { type: reason, message };
}

/** Operations of messaging bindings that give a message to the system. */
const sending: ReadonlySet<string> = new Set(["create", "publish", "send"]);

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
