/** One header of an event. */
export type Header = {
  readonly name: string;
  /** In whatever encoding its author chose. */
  readonly value: Uint8Array;
};

/** One event, as a handler gets it, in an app beside the runtime or in its process. */
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
   * again, or the app or the runtime is closed and its time is over.
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
  /** The media type of `data`, for the sender of a webhook. Dapr's unary call has no room for it. */
  readonly contentType?: string | undefined;
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

/** What an event is made of, without what reads it. */
export type EventParts = Omit<BindingEvent, "text" | "json" | "header">;

/** An event whose parts are there. */
export class HandlerEvent implements BindingEvent {
  readonly name: string;
  readonly data: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers: readonly Header[];
  readonly key: Uint8Array | undefined;
  readonly id: string;
  readonly trace: Readonly<Record<string, string>>;
  readonly attempt: number;
  readonly attempts: number | undefined;
  readonly lastError: string | undefined;
  readonly signal: AbortSignal;

  constructor(parts: EventParts) {
    this.name = parts.name;
    this.data = parts.data;
    this.metadata = parts.metadata;
    this.headers = parts.headers;
    this.key = parts.key;
    this.id = parts.id;
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
    return lastHeader(this.headers, name);
  }
}

/** The last header of that name, as UTF-8. */
export function lastHeader(headers: readonly Header[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  const found = headers.findLast((one) => one.name.toLowerCase() === wanted);
  return found && textOf(found.value);
}

/** Bytes as UTF-8; empty when there are none. */
export function textOf(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
