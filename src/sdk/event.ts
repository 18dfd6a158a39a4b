import type { DeliveredEvent } from "../../gen/cufflink/v1/event_streams_pb.ts";
import {
  type BindingEvent,
  type EventParts,
  HandlerEvent,
  type Header,
  lastHeader,
  textOf,
} from "../handler/event.ts";

const noHeaders: readonly Header[] = [];

/** An event that came by a stream. What a handler does not look at is not read. */
export class StreamedEvent implements BindingEvent {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly #message: DeliveredEvent;

  constructor(name: string, message: DeliveredEvent, signal: AbortSignal) {
    this.name = name;
    this.signal = signal;
    this.#message = message;
  }

  get data(): Uint8Array | undefined {
    return this.#message.event?.data;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#message.metadata;
  }

  get headers(): readonly Header[] {
    return this.#message.event?.headers ?? noHeaders;
  }

  get key(): Uint8Array | undefined {
    return this.#message.event?.key;
  }

  get id(): string {
    return this.#message.event?.id ?? "";
  }

  get trace(): Readonly<Record<string, string>> {
    const { traceparent, tracestate, baggage } = this.#message;
    return traceOf(traceparent, tracestate, baggage);
  }

  get attempt(): number {
    return this.#message.attempt;
  }

  get attempts(): number | undefined {
    return this.#message.attempts || undefined;
  }

  get lastError(): string | undefined {
    return this.#message.lastError || undefined;
  }

  text(): string {
    return textOf(this.data);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  header(name: string): string | undefined {
    return lastHeader(this.headers, name);
  }
}

/** An event that came by Dapr's unary call, which has the headers in the metadata. */
export class CalledEvent extends HandlerEvent {
  constructor(parts: Omit<EventParts, "headers" | "key" | "id">) {
    super({ ...parts, headers: noHeaders, key: undefined, id: "" });
  }

  override header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return Object.entries(this.metadata).findLast(([one]) => one.toLowerCase() === wanted)?.[1];
  }
}

/** The parts of a W3C trace context that are there. */
export function traceOf(
  traceparent: string | undefined,
  tracestate: string | undefined,
  baggage: string | undefined,
): Record<string, string> {
  const trace: Record<string, string> = {};
  if (traceparent) trace["traceparent"] = traceparent;
  if (tracestate) trace["tracestate"] = tracestate;
  if (baggage) trace["baggage"] = baggage;
  return trace;
}
