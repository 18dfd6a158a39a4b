import type { IncomingMessage, ServerResponse } from "node:http";
import type { DriverVersions } from "./drivers.ts";
import type { Examination } from "./examination.ts";
import type { Answer, StreamAnswer } from "./answer.ts";
import type { ComponentIdentity } from "./component-identity.ts";
import type { Logger, Notice } from "./logger.ts";
import type { MemoryShare } from "./memory/budget.ts";
import type { Fields, Values } from "./metadata/fields.ts";
import type { RetryPolicy } from "./policy/retry.ts";
import type { InputGuarantee, Reader, Reading } from "./reading.ts";

export type { Answer, StreamAnswer } from "./answer.ts";
export type { Checkpoint, Checkpoints } from "./checkpoints.ts";
export type { Check, CheckKind, Examination } from "./examination.ts";
export type { ComponentIdentity } from "./component-identity.ts";
export type { LogFields, Logger, Notice } from "./logger.ts";
export type {
  Header,
  InboundEvent,
  InputGuarantee,
  Lease,
  MissedBecause,
  Reader,
  Reading,
  Settlement,
} from "./reading.ts";

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
  /** The systems that it was tested with. `docs/systems.json` has the record of each. */
  readonly provedBy?: readonly Proof[];

  /** It is a type of Dapr's that is known and not built: nothing was tested. */
  readonly notBuilt?: true;

  /** The npm packages that {@link Opening.driver} loads, which users install themselves, with their exact versions. */
  readonly drivers?: DriverVersions;

  /**
   * Whether a component with these settings loads that driver, where only some do (a cloud's whole chain of log-ins): `check`
   * asks for no other. Absent: each loads all of them.
   */
  needsDriver?(name: string, metadata: Values<MetadataFields>): boolean;

  /** It runs programs of this machine: a component opens only where the user has allowed that (`--allow-exec`). */
  readonly runsPrograms?: true;

  /** The component's metadata. */
  readonly metadata: MetadataFields;

  /**
   * Values for the example of a component, by field: those that `check` needs beside the required ones, or in another
   * way than the field's own example. Absent: the required fields alone.
   */
  readonly example?: Readonly<Record<string, string>>;

  /**
   * What is wrong with a component beside its fields, as far as that shows without connecting to anything: a sentence
   * each, for `cufflink check`.
   */
  check?(
    metadata: Values<MetadataFields>,
    directions: Opening<MetadataFields>["directions"],
  ): Promise<readonly string[]>;

  /**
   * Connects to the system and proves that it can be used, or throws. It needs no permission beyond those of the
   * component's own operations: a probe that is refused shows that the system is there. It never consumes, never
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

  /** What runs operations that {@link Binding.operations} does not name, where only the system knows them; it refuses those that are not. */
  readonly anyOperation?: Operation<MetadataFields, Connection, Fields>;

  /** What the system offers, where only it knows. Asked once, when the connection is open. Absent: what is declared. */
  offers?(connection: Connection): Offers;

  /**
   * Subscribes, and resolves once events can arrive. Absent: an output only. When it throws, or
   * {@link Reading.lost} is called, the connection is closed and reopened.
   */
  read?(connection: Connection, reading: Reading<MetadataFields>): Promise<Reader> | Reader;

  /** The metadata of events by name, with what each is. Typed clients offer these. */
  readonly eventMetadata?: Readonly<Record<string, string>>;

  /** What {@link Binding.read} promises; every input has it. */
  readonly guarantee?: InputGuarantee;

  /** Where {@link InputGuarantee.shared} depends on the component: whether replicas share the events of this one. */
  isShared?(metadata: Values<MetadataFields>): boolean;

  /**
   * Dapr has this type as an output only: without the metadata `direction` a component is one, its fields for inputs
   * are not required, and the app is not asked.
   */
  readonly inputIsOptional?: boolean;

  /**
   * A component is open once in a process, however many threads that has: it listens on a `port`, or the system knows it
   * by an `identity` that only one connection may have. Default: each thread opens one of its own.
   */
  readonly openedOnce?: "port" | "identity";

  /**
   * The source spreads the events of one component over all who read it in one group, each key to one of them, and settles
   * what moves from one to another: each thread of a process reads it then. Default: one thread does.
   */
  readonly spreads?: true;

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
   * The source counts failed attempts itself, and what comes after the last is its matter: where the component has no
   * `onExhausted`, an event whose attempts are used up is returned.
   */
  readonly countsAttempts?: true;

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
   * Throws when the system cannot be used right now; a `BindingError` that is `rejected` says that it is there, as
   * one does that is denied. It needs no permission of its own.
   * Asked every 30 seconds while connected; after three failures in a row the connection is made anew.
   */
  ping?(connection: Connection, signal: AbortSignal): Promise<void>;

  /**
   * Asks the system, for `cufflink doctor`, what can be asked without consuming or changing anything: whether the log-in is
   * accepted, what the component names is there and may be read or written. The connection is one of its own, just
   * opened, and {@link Binding.ping} has passed. Absent: what `open` and `ping` show.
   */
  examine?(connection: Connection, examination: Examination<MetadataFields>): Promise<void>;

  /**
   * How many events wait at the source for this reader, where the system can tell; those that it has and has
   * not settled may be among them. Asked every ten seconds.
   */
  backlog?(connection: Connection, signal: AbortSignal): Promise<number>;

  /** Replicas share the source by parts, and {@link Binding.backlog} is this reader's part: theirs add up. */
  readonly backlogIsPart?: true;

  /**
   * How many events wait at the source for all readers that this component has anywhere, those delivered and not settled
   * among them, for `cufflink scaler`. Asked of a connection that was opened with {@link Opening.examines} and is never
   * read from: it joins, makes and changes nothing. What a first reader would make may not be there yet: where nobody can
   * tell then what that one would read, one event waits if the source has any. Absent: as {@link Binding.backlog}.
   */
  totalBacklog?(
    connection: Connection,
    asking: { readonly metadata: Values<MetadataFields>; readonly signal: AbortSignal },
  ): Promise<number>;
};

/** Any binding, for lists of them and for the runtime, which hands each only its own values. */
// oxlint-disable-next-line typescript/no-explicit-any -- the one place: parameters are contravariant
export type AnyBinding = Binding<any, any, any>;

/** What a connected system can do. */
export type Offers = {
  readonly input: boolean;
  readonly output: boolean;
  readonly operations: readonly string[];
};

/** A binding that is loaded, with all of its code, when it is needed. */
export type BindingModule = {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly load: () => Promise<{ readonly default: AnyBinding }>;
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
  /** It is opened to be examined: it must declare, make and change nothing, even what `open` makes otherwise. */
  readonly examines?: true;
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

export type Operation<MetadataFields extends Fields, Connection, RequestFields extends Fields> = {
  /** One sentence. */
  readonly description: string;
  /** The request metadata that it reads, `{}` when none. Names match as written. */
  readonly request: RequestFields;
  /** The metadata of its answer by name, with what each is. Typed clients offer these. */
  readonly answerMetadata?: Readonly<Record<string, string>>;
  /** Repeating it after an ambiguous failure does no harm; a function where the request decides. Default false. */
  readonly idempotent?: boolean | ((request: Values<RequestFields>) => boolean);
  /** In place of `idempotent`, where the system itself says of a call whether that is so. */
  isIdempotent?(connection: Connection, request: Values<RequestFields>): boolean;
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
  /** When the caller's deadline passes, where it is known, in milliseconds as `performance.now()` counts them. */
  readonly deadline?: number | undefined;
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

/** A system that a binding was tested with. */
export type Proof = {
  /** Its name, as `PostgreSQL`. */
  readonly system: string;
  /** `real`: the system itself; `emulator`: its vendor's, or a well-known other program that speaks its protocol;
   * `stand-in`: written for the tests, from the vendor's reference. */
  readonly kind: "real" | "emulator" | "stand-in";
};

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
