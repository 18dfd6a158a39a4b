import type { Answer } from "./answer.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { ComponentIdentity } from "./component-identity.ts";
import type { Logger, Notice } from "./logger.ts";
import type { MemoryShare } from "./memory/budget.ts";
import type { Fields, Values } from "./metadata/fields.ts";
import type { TickRecords } from "./tick-records.ts";

/** What an input promises. The suites, the fault matrix and the docs go by exactly this. */
export type InputGuarantee = {
  /** What a returned event is to the source; the predicate of a sentence: "is requeued". */
  readonly returned: string;
  /** While what its events are delivered at least once: "the queue is durable". Where it is lossy: what is lost. */
  readonly atLeastOnce: string;
  /** Which events are handled in order: "the record's key". Absent: none. */
  readonly key?: string;
  /** The most events that may be handled twice after one fault of each kind, and which. */
  readonly duplicates: {
    /** Of the app's process or connection. */
    readonly app: string;
    /** Of the runtime's process. */
    readonly runtime: string;
    /** Of the server, or the connection to it. */
    readonly server: string;
  };
  /**
   * Whether replicas of an app that read the same source at one time share its events. `false`: each of them reads all, so that one of
   * them is to read alone (`singleton`). A text says which components share them, after "shared"; `Binding.isShared` tells.
   */
  readonly shared?: boolean | string;
  /** Events may be lost although everybody does what he should: the source keeps none for who is away. */
  readonly lossy?: boolean;
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
  /** Where a source without acknowledgements of its own keeps how far its events were handled. */
  readonly checkpoints: Checkpoints;
  /** Where a source that is a schedule keeps which ticks it has begun. Absent: nowhere. */
  readonly ticks?: TickRecords;
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
  /** Looks at the clock: false once another reader may have the event. Asked before each dispatch; it is revoked then. */
  readonly isHeld?: (() => boolean) | undefined;
  /** The trace context that it is part of, where its message and metadata do not tell. */
  readonly trace?: Readonly<Record<string, string>> | undefined;
  /** Where the source leases an event: renewed while the runtime or the app holds it, or returned. */
  readonly lease?: Lease | undefined;
};

export type Lease = {
  /** The duration of the lease, in milliseconds. It is renewed each third of that. */
  readonly duration: number;
  /**
   * Renews the lease for that long. Rejects with a `BindingError` that is `rejected` where the source has refused it for
   * good: then the event is returned, unless the app has it, and with it those that came later with the same key.
   * After any other failure it is tried again, until the time is over. Absent: the source cannot; then the event is
   * returned likewise when the time is over.
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
  | {
      readonly outcome: "returned";
      readonly reason: string;
      readonly after?: number;
      /** No attempt at it has failed since the source handed it out: its count of deliveries need not grow. */
      readonly unattempted?: boolean;
    };
