/** An event as it is kept: whole, nothing re-encoded. */
export type StoredEvent = {
  readonly data: Uint8Array | undefined;
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array }[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly key: Uint8Array | string | undefined;
  /** The source's own identity of the event. */
  readonly id: string | undefined;
};

/** One attempt to have an event handled. Times are milliseconds since 1970. */
export type AttemptRecord = {
  readonly at: number;
  /** Milliseconds. */
  readonly took: number;
  readonly outcome: "handled" | "refused" | "dropped" | "not attempted" | "unsent";
  /** What the app answered, or why there was no answer; empty for a plain yes. */
  readonly answer: string;
};

/** An event whose attempts are used up, or that the app rejected for good, kept until somebody decides. */
export type DeadLetter = {
  /** A UUID of version 7: later ones sort behind. */
  readonly id: string;
  readonly component: string;
  /** The component's type: `bindings.kafka`. */
  readonly type: string;
  /** `exhausted`: its attempts are used up; `refused`: the app said that no attempt will help. */
  readonly cause: "exhausted" | "refused";
  /** How the last attempt failed. */
  readonly reason: string;
  readonly event: StoredEvent;
  /** What is the same when the source delivers the event again. */
  readonly identity: string;
  /** The attempts, oldest first; of more than 100 the last 100. */
  readonly attempts: readonly AttemptRecord[];
  /** How many attempts failed in all, redrives included. */
  readonly failed: number;
  readonly receivedAt: number;
  readonly storedAt: number;
  /** The W3C trace id, 32 hexadecimal digits; empty: none. */
  readonly traceId: string;
  /** How often it was redriven and came back. */
  readonly redrives: number;
  /** Whether a person has changed its event. */
  readonly edited: boolean;
};

/** A dead letter with the digest of its event as the source delivered it, which an edit leaves as it is. */
export type StoredDeadLetter = DeadLetter & { readonly fingerprint: string };

/** What became of a dead letter that was to be imported. */
export type ImportOutcome = "imported" | "present" | "expired" | "full";

/** A dead letter in a list, where its payload may have been left out. */
export type ListedDeadLetter = StoredDeadLetter & {
  /** Bytes of the whole payload. */
  readonly size: number;
};

/** Which dead letters are meant; what is absent says nothing. */
export type DeadLetterFilter = {
  readonly ids?: readonly string[];
  readonly component?: string;
  /** A part of the reason, in any case. */
  readonly reason?: string;
  /** The source's own identity of the event. */
  readonly eventId?: string;
  /** Stored at or after, in milliseconds since 1970. */
  readonly since?: number;
  /** Stored before. */
  readonly before?: number;
};

/** How many attempts at an event have begun, kept from the second on. */
export type AttemptCount = {
  readonly identity: string;
  /** A digest of the event, since a source may use an identity anew. */
  readonly fingerprint: string;
  /** How many attempts have begun. */
  readonly begun: number;
  readonly lastError: string;
  /** It is in the dead letters already, though its source may not have been told. */
  readonly deadLettered: boolean;
  /** Its source has been told since: should it come again, it is meant to. */
  readonly told?: boolean;
};

/** That somebody has paused a component's input. */
export type StoredPause = {
  readonly by: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly since: number;
};

/** How far the source of a component was handled. */
export type StoredCheckpoint = {
  /** Tells the source from another one that the component has had. */
  readonly fingerprint: string;
  /** All up to here was handled. */
  readonly position: string;
};

/** What became of an event. */
export type HistoryRecord = {
  readonly component: string;
  /** The source's own identity; empty: it has none. */
  readonly eventId: string;
  /** The source within the component (Kafka: topic and partition); empty: there is one. */
  readonly source: string;
  readonly receivedAt: number;
  readonly attempts: readonly AttemptRecord[];
  /** When its lease was renewed. */
  readonly renewals: readonly number[];
  /** When that failed, and why. */
  readonly failedRenewals?: readonly { readonly at: number; readonly reason: string }[];
  readonly traceId: string;
  readonly end: "handled" | "dead letter" | "output" | "dropped" | "returned" | "duplicate";
  readonly endedAt: number;
  /** Why it ended so; empty for an event that was simply handled. */
  readonly reason: string;
  /** The dead letter's id, where it ended there. */
  readonly deadLetter: string | undefined;
};

/**
 * What a claim finds: nothing (`claimed`, the caller's now), somebody at work, or the result.
 * `fingerprint`: what the first caller gave, to tell a key that is used for something else.
 */
export type Claim =
  | { readonly state: "claimed" }
  /** `ours`: claimed by this process, which is still at it; else its owner is gone and nobody knows what it did. */
  | {
      readonly state: "busy";
      readonly since: number;
      readonly ours: boolean;
      readonly fingerprint: string;
    }
  | {
      readonly state: "done";
      readonly result: Uint8Array | undefined;
      readonly fingerprint: string;
    };
