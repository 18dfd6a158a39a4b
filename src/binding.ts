import type { IncomingMessage, ServerResponse } from "node:http";
import type { DriverVersions } from "./drivers.ts";
import type { Fields, Values } from "./metadata/fields.ts";
import type { MemoryShare } from "./memory/budget.ts";
import type { RetryPolicy } from "./policy/retry.ts";

/**
 * Declares a binding: one file, one default export, the sections always in this order.
 *
 * Everything else (types, parsing, JSON Schema, docs, the list of operations, errors for unknown
 * ones) is computed from this one declaration.
 */
export function defineBinding<
  const MetadataFields extends Fields,
  Connection extends AsyncDisposable,
  const RequestFields extends Readonly<Record<string, Fields>> = Readonly<Record<never, Fields>>,
>(
  definition: Binding<MetadataFields, Connection, RequestFields>,
): Binding<MetadataFields, Connection, RequestFields> {
  return definition;
}

/** What stands for null: the four bytes of JSON's `null`, or no bytes. */
export type NullAs = "null" | "empty";

export type Binding<
  MetadataFields extends Fields,
  Connection extends AsyncDisposable,
  RequestFields extends Readonly<Record<string, Fields>>,
> = {
  /** The type without its `bindings.` prefix, as in Dapr's YAML: `kafka`, `twilio.sms`. */
  readonly name: string;
  /** Other names that Dapr's YAML knows it by, likewise without prefix. */
  readonly aliases?: readonly string[];
  readonly status: "stable" | "beta" | "alpha";
  /** One sentence. */
  readonly summary: string;

  /** The npm packages that {@link Opening.driver} loads, which users install themselves, with their exact versions. */
  readonly drivers?: DriverVersions;

  /** The component's metadata. */
  readonly metadata: MetadataFields;

  /**
   * Connects to the system and proves that it can be used, or throws. It never consumes, never
   * declares anything exclusively and never takes the consumer's identity: at a reload it runs beside
   * the connection that still works. Called again after {@link Opening.lost}, with growing pauses.
   */
  open(opening: Opening<MetadataFields>): Promise<Connection> | Connection;

  /** What an app can invoke. Absent: an input only. */
  readonly operations?: {
    readonly [Name in keyof RequestFields]: Operation<
      MetadataFields,
      Connection,
      RequestFields[Name]
    >;
  };

  /**
   * Subscribes, and resolves once events can arrive. Absent: an output only. When it throws, or
   * {@link Reading.lost} is called, the connection is closed and reopened.
   */
  read?(connection: Connection, reading: Reading<MetadataFields>): Promise<Reader> | Reader;

  /**
   * Turns Dapr's retry fields of this type (`redisMaxRetries`, `consumeRetryInterval` …) into the policy
   * that the runtime follows; what is left out keeps its default.
   */
  readonly retry?: {
    inbound?(metadata: Values<MetadataFields>): Partial<RetryPolicy>;
    outbound?(metadata: Values<MetadataFields>): Partial<RetryPolicy>;
  };

  /**
   * False: an event cannot be returned alone, without those behind it or a new connection. `onExhausted:
   * return` then halts the component. Default true.
   */
  readonly returnsSingly?: boolean;

  /**
   * Why connections may be cut again and again right after they were made, as far as that is known of the system: a
   * sentence without its full stop, such as who else may take the consumer's identity.
   */
  cutCause?(metadata: Values<MetadataFields>): string;

  /**
   * How a null of the source reaches an app whose protocol has none. Absent: the source knows no null, and nothing
   * takes its place.
   */
  nullAs?(metadata: Values<MetadataFields>): NullAs;

  /**
   * Throws when the system cannot be used right now; a `BindingError` that is `rejected` says that it is there.
   * Asked every 30 seconds while connected; after three failures in a row the connection is made anew.
   */
  ping?(connection: Connection, signal: AbortSignal): Promise<void>;

  /**
   * How many events wait at the source for this reader, where the system can tell; those that it has and has
   * not settled may be among them. Asked every ten seconds.
   */
  backlog?(connection: Connection, signal: AbortSignal): Promise<number>;
};

/** Any binding, for lists of them and for the runtime, which hands each only its own values. */
// oxlint-disable-next-line typescript/no-explicit-any -- the one place: parameters are contravariant
export type AnyBinding = Binding<any, any, any>;

/** A component as it is described to its binding. */
export type ComponentIdentity = {
  /** The component's name, unique in this runtime. */
  readonly name: string;
  /** The app's id, for client ids, group names and the like. */
  readonly appId: string;
};

export type Opening<MetadataFields extends Fields> = {
  readonly component: ComponentIdentity;
  /** The parsed metadata, secrets and templates already put in. */
  readonly metadata: Values<MetadataFields>;
  /** Which directions this component uses. */
  readonly directions: { readonly input: boolean; readonly output: boolean };
  readonly logger: Logger;
  /** Aborted when the attempt to open has taken too long, or is not wanted any more. */
  readonly signal: AbortSignal;
  /** Ports that components of one process share. */
  readonly http: HttpEndpoints;
  readonly notice: Notice;
  /**
   * Names a text that must not be shown, beside the values of sensitive fields: a token that was obtained, a signature.
   * The runtime hides it, as those, in errors, logs, states and what is stored, in base64 and percent-encoded, too.
   */
  readonly hide?: (secret: string) => void;
  /**
   * The component's share of the memory for what others send: asked before a part of an answer or a message is
   * gathered. The runtime counts events from {@link Reading.deliver} on itself.
   */
  readonly memory: MemoryShare;
  /**
   * Loads one of the binding's {@link Binding.drivers} and returns what it exports, as `require` does. Throws a
   * `BindingError` with the command to install it, so that the component is `failed`. `path`: one of the package's
   * own entries, as `lib/dkim`.
   */
  readonly driver: (name: string, path?: string) => unknown;
  /**
   * To be called when the connection is gone for good. The framework then closes it and opens a new
   * one; a driver's own hidden reconnecting is switched off.
   */
  readonly lost: (reason: unknown) => void;
};

/**
 * Tells what is worth knowing about a component that works all the same: as a warning, once, and in its state's
 * reason while this connection lasts.
 */
export type Notice = (text: string) => void;

export type Operation<MetadataFields extends Fields, Connection, RequestFields extends Fields> = {
  /** One sentence. */
  readonly description: string;
  /** The request metadata that it reads, `{}` when none. Names match as written. */
  readonly request: RequestFields;
  /** Repeating it after an ambiguous failure does no harm; a function where the request decides. Default false. */
  readonly idempotent?: boolean | ((request: Values<RequestFields>) => boolean);
  /**
   * Runs it. Returning nothing is Dapr's "no response" (HTTP 204), an answer without data is an empty
   * one (HTTP 200). Throws a `BindingError` for what it can name; anything else counts as ambiguous.
   */
  invoke(connection: Connection, call: Call<MetadataFields, RequestFields>): Promise<Answer | void>;
  /**
   * The same for payloads that memory need not hold: both bodies are read as they come. Absent: a
   * payload that comes in parts is gathered, and `invoke` runs.
   */
  invokeStream?(
    connection: Connection,
    call: StreamCall<MetadataFields, RequestFields>,
  ): Promise<StreamAnswer | void>;
};

export type Call<MetadataFields extends Fields, RequestFields extends Fields> = {
  readonly operation: string;
  /** The payload, byte for byte as the caller sent it; `undefined`: none was given. */
  readonly data: Uint8Array | undefined;
  /**
   * `json`: the bytes are the text of one JSON value, from Dapr's HTTP path, where a text or bytes
   * can only be written as a JSON string. `bytes`: from everywhere else.
   */
  readonly encoding: "bytes" | "json";
  /** The declared request metadata, parsed. */
  readonly request: Values<RequestFields>;
  /** All request metadata as it came (with the trace context), for bindings that pass it on. */
  readonly properties: Readonly<Record<string, string>>;
  /** The component's metadata. */
  readonly metadata: Values<MetadataFields>;
  /** Aborted when the caller cancelled or the deadline passed. */
  readonly signal: AbortSignal;
};

/** A call whose payload comes in parts. */
export type StreamCall<MetadataFields extends Fields, RequestFields extends Fields> = Omit<
  Call<MetadataFields, RequestFields>,
  "data" | "encoding"
> & {
  /**
   * The payload, to be read once, at the pace of the reader. It throws when the caller has gone before the
   * end; what is not read is dropped. Once a part was taken the runtime repeats nothing.
   */
  readonly body: AsyncIterable<Uint8Array>;
};

/** What an operation answers. */
export type Answer = {
  data?: Uint8Array | undefined;
  metadata?: Record<string, string> | undefined;
};

/** An answer whose payload may come in parts. */
export type StreamAnswer = Answer & {
  /**
   * In place of `data`: read no faster than the caller takes it, and not to the end when the caller goes. One that
   * is never begun is dropped as it is, so it opens what it needs when it is first asked.
   */
  body?: AsyncIterable<Uint8Array> | undefined;
};

export type Reading<MetadataFields extends Fields> = {
  readonly component: ComponentIdentity;
  readonly metadata: Values<MetadataFields>;
  readonly logger: Logger;
  /** The most events of this component that the app handles at one time. */
  readonly maxInFlight: number;
  /** How often the runtime tries an event, by its policy now; may be infinite. */
  readonly attempts: number;
  readonly notice: Notice;
  /** As {@link Opening.hide}. */
  readonly hide?: (secret: string) => void;
  /** As {@link Opening.memory}. */
  readonly memory: MemoryShare;
  /**
   * Hands events over, in the order of the source, and resolves when there is room for more. A source
   * that can wait awaits it before it reads on; one that cannot bounds what it asks for otherwise.
   * Each `source` (a partition) has a window of its own; it may wait while others go on.
   */
  readonly deliver: (events: readonly InboundEvent[], source?: string) => Promise<void>;
  /** Aborted when the reading is to end, of use to a `read` that has not resolved yet. */
  readonly signal: AbortSignal;
  /** To be called when reading has ended by itself or cannot go on. */
  readonly lost: (reason: unknown) => void;
  /**
   * Says what is so for the time being, for the component's state: a topic that is not there, events that were missed.
   * Empty: nothing is to be said any more. `stalled`: no event can come meanwhile.
   */
  readonly report?: (condition: string, stalled: boolean) => void;
  /**
   * Counts events that never come: the source dropped them before they were read, or reading begins behind them. That
   * is for the metrics; the log is the binding's.
   */
  readonly missed?: (events: number, why: MissedBecause) => void;
};

/** `retention`: deleted by age or size; `truncated`: cut off; `no commit`: older than where a new reader begins. */
export type MissedBecause = "retention" | "truncated" | "no commit";

/** A subscription that runs. Its methods are called in the order stop, flush, close, each once or never. */
export type Reader = {
  /** Asks the source for no more. Events already delivered can still be settled. */
  stop(): Promise<void> | void;
  /** Confirms to the source all that was settled so far; resolves when the source has it. May be called at any time. */
  flush(): Promise<void> | void;
  /** Releases the consumer's identity. What is unsettled is the source's again. */
  close(): Promise<void> | void;
  /**
   * How many unsettled events the source may have handed out from now on: `maxInFlight` and those that
   * wait for a retry. For sources with a window of their own (a prefetch count).
   */
  credit?(events: number): void;
};

/** An event on its way from a source to the app. */
export type InboundEvent = {
  /** The payload as it came; `undefined`: the source says null (a tombstone). */
  readonly data: Uint8Array | undefined;
  /** What the binding tells about the event: topic, offset, time read. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the source's own message carried, whole, repeats kept. */
  readonly headers: readonly Header[];
  /** Events with the same key are handled one after another; absent: no order is promised. */
  readonly key?: Uint8Array | string | undefined;
  /** The source's own identity of the event. */
  readonly id?: string | undefined;
  /** The id is made up for this delivery: the same event has another one when it comes again. */
  readonly idIsMadeUp?: boolean | undefined;
  /** A digest of what the sender has signed, once that was verified. Absent: nothing is signed. */
  readonly signedDigest?: (() => string) | undefined;
  /**
   * How many times the source has delivered it, this time included, where it counts. To be shown only: an event
   * that was returned unattempted was delivered too, and the runtime counts attempts.
   */
  readonly attempt?: number | undefined;
  /** `false`: the source knows that it has never delivered it before, so that no earlier attempt was at this one. */
  readonly redelivered?: boolean | undefined;
  /** Called exactly once; only notes the outcome, {@link Reader.flush} confirms it. Never throws. */
  readonly settle: (settlement: Settlement) => void;
  /**
   * Aborted by the source when the event is no use any more (the next tick is due, the sender has gone):
   * unless the app has it at that moment, it is returned at once and not tried again.
   */
  readonly revoked?: AbortSignal | undefined;
  /** Where the source leases an event: renewed while the runtime or the app holds it, or returned. */
  readonly lease?: Lease | undefined;
};

export type Lease = {
  /** The duration of the lease, in milliseconds. It is renewed each third of that. */
  readonly duration: number;
  /**
   * Renews the lease for that long. Absent: the source cannot. Then the event is returned when the time is over,
   * unless the app has it, and with it those that came later with the same key.
   */
  readonly extend?: (() => Promise<void>) | undefined;
};

export type Header = { readonly name: string; readonly value: Uint8Array };

export type Settlement =
  | {
      readonly outcome: "handled";
      readonly reply?: Answer & { contentType?: string | undefined };
      /** The app has not handled it: it is safe in the dead letters, or at the output of that name. */
      readonly movedTo?: "dead letters" | { readonly output: string };
    }
  | { readonly outcome: "returned"; readonly reason: string; readonly after?: number };

/** HTTP ports for bindings that serve; several components may share one port by path. */
export type HttpEndpoints = {
  /** Listens on `host:port`, if no other component made that port listen yet, and reserves nothing. */
  listen(host: string, port: number, path: string): Promise<HttpEndpoint>;
};

export type HttpEndpoint = AsyncDisposable & {
  /** The port that listens, of use when 0 was asked for. */
  readonly port: number;
  /**
   * Takes the requests of the path until the returned function is called. Throws a `BindingError`
   * when another component has the path. Without a handler requests are answered 503.
   */
  handle(handler: (request: IncomingMessage, response: ServerResponse) => void): () => void;
  /** The memory for bodies, shared with all who listen. Nothing is kept that it has no room for. */
  readonly memory: {
    /** Counts so many bytes. False: there is no room for them, and the request is answered 503. */
    reserve(bytes: number): boolean;
    /** They are not kept any more. */
    release(bytes: number): void;
  };
};

/** The part of pino that bindings use: facts as fields, then a constant message. */
export type Logger = {
  debug<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  info<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  warn<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  error<Fields extends object>(fields: LogFields<Fields>, message: string): void;
};

/**
 * The facts of a log line. A number that measures something is a text with its unit (`pause: "943ms"`); a bare number
 * counts what its field names, or names one thing among others, and its field is one of these.
 */
export type LogFields<Fields extends object> = {
  readonly [Name in keyof Fields]: Name extends CountField | NumberField
    ? Fields[Name]
    : WithUnit<Fields[Name]>;
};

type CountField =
  | (
      | "attempt"
      | "components"
      | "deadLetters"
      | "deliveryLimit"
      | "events"
      | "messages"
      | "refusals"
      | "repeated"
      | "requests"
    )
  | ("lost" | "partitions" | "partitionsBefore" | "passed" | "records" | "ticks" | "truncated")
  | ("consecutiveFailures" | "consecutiveSuccesses" | "totalFailures" | "totalSuccesses")
  | ("handled" | "matched" | "refused" | "skipped")
  | ("backlog" | "inFlight" | "waiting" | "waitingAtSource");

/** Names that are numbers. */
type NumberField =
  | ("delivery" | "generation" | "grpc" | "http" | "node" | "port" | "revision")
  | ("column" | "common" | "end" | "line" | "partition" | "position" | "start");

type WithUnit<Value> = Value extends number | bigint ? "a number needs its unit, as a text" : Value;
