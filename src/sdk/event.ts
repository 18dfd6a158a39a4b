import type { DeliveredEvent } from "../../gen/cufflink/v1/event_streams_pb.ts";

/** One header of an event. */
export type Header = {
  readonly name: string;
  /** In whatever encoding its author chose. */
  readonly value: Uint8Array;
};

/** One event, as a handler gets it. */
export type BindingEvent = {
  /** The component's name. */
  readonly name: string;
  /** The payload; `undefined` where the source says null, as Kafka does for a tombstone. */
  readonly data: Uint8Array | undefined;
  /** What the binding tells about the event: topic, offset, time read. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The message's headers, whole. Empty when the event came by Dapr's unary call, which has them in
   * {@link metadata} instead.
   */
  readonly headers: readonly Header[];
  /** Events of one key are handled in order. Absent where the source promises no order. */
  readonly key: Uint8Array | undefined;
  /** The source's own identity of the event; empty where it has none. */
  readonly id: string;
  /** W3C trace context: `traceparent`, `tracestate`, `baggage`, those that are there. */
  readonly trace: Readonly<Record<string, string>>;
  /** 1 for the first. */
  readonly attempt: number;
  /** How many are allowed; `undefined`: without end. */
  readonly attempts: number | undefined;
  /** Why the attempt before was not handled. */
  readonly lastError: string | undefined;
  /**
   * Aborted when no caller waits for the answer any more: the connection was lost, and the event will come
   * again, or the app is closed and its time is over.
   */
  readonly signal: AbortSignal;
  /** The payload as UTF-8; empty when there is none. */
  text(): string;
  /** The payload, parsed. Throws a `SyntaxError` when it is no JSON. */
  json(): unknown;
  /**
   * The last header of that name, as UTF-8; upper and lower case are alike. After Dapr's unary call, the
   * metadata of that name.
   */
  header(name: string): string | undefined;
};

/** What a handler may answer. Nothing at all means handled, without a reply. */
export type BindingReply = {
  /** Bytes as they are, or a text. */
  readonly data?: Uint8Array | string | undefined;
  /** Outputs that get `data` by their `create` operation before the event counts as handled. */
  readonly to?: readonly string[];
  /** How the outputs of `to` are called. Default sequential. */
  readonly concurrency?: "sequential" | "parallel";
  /** The state store component that gets `states`. */
  readonly storeName?: string;
  /** Saved where the input's component says `replyFanOut: true`. */
  readonly states?: readonly { readonly key: string; readonly value: Uint8Array | string }[];
};

/**
 * Handles one event. Returning means handled; throwing means not handled: {@link Retry}, {@link DeadLetter},
 * {@link Drop}, and anything else is a retry with its message as the reason.
 */
export type BindingEventHandler = (
  event: BindingEvent,
) => Promise<BindingReply | undefined | void> | BindingReply | undefined | void;

/** What an event is made of, however it came. */
type Parts = Omit<BindingEvent, "trace" | "text" | "json" | "header">;
const noHeaders: readonly Header[] = [];

/** An event that came by a stream. */
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
    const wanted = name.toLowerCase();
    const found = this.headers.findLast((one) => one.name.toLowerCase() === wanted);
    return found && textOf(found.value);
  }
}

/** An event that came by Dapr's unary call. */
export class CalledEvent implements BindingEvent {
  readonly name: string;
  readonly data: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers = noHeaders;
  readonly key = undefined;
  readonly id = "";
  readonly trace: Readonly<Record<string, string>>;
  readonly attempt: number;
  readonly attempts: number | undefined;
  readonly lastError: string | undefined;
  readonly signal: AbortSignal;

  constructor(parts: Omit<Parts, "headers" | "key" | "id"> & Pick<BindingEvent, "trace">) {
    this.name = parts.name;
    this.data = parts.data;
    this.metadata = parts.metadata;
    this.trace = parts.trace;
    this.attempt = parts.attempt;
    this.attempts = parts.attempts;
    this.lastError = parts.lastError;
    this.signal = parts.signal;
  }

  text(): string {
    return textOf(this.data);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  header(name: string): string | undefined {
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

function textOf(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
