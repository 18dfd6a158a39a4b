import type { LeaseStore } from "./leases.ts";
import type {
  AttemptCount,
  Claim,
  DeadLetter,
  DeadLetterFilter,
  HistoryRecord,
  ImportOutcome,
  ListedDeadLetter,
  StoredDeadLetter,
  StoredCheckpoint,
  StoredPause,
} from "./records.ts";
import type { ReplicaStore } from "./replicas.ts";

/**
 * Durable records of one app's runtime. Each method that writes resolves once the write is safe, and
 * rejects with a `BindingError` (`unavailable`) that says what is wrong and where when it is not.
 */
export type Store = {
  readonly deadLetters: DeadLetterStore;
  readonly attempts: AttemptStore;
  readonly history: HistoryStore;
  readonly claims: ClaimStore;
  readonly pauses: PauseStore;
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseStore;
  readonly replicas: ReplicaStore;
  /**
   * Whether the replicas of an app id share it. `false`: one process has it, so that each lease is granted at once, and
   * there is no replica but this one.
   */
  readonly shared: boolean;
  /** Why nothing can be written now, in a sentence; `undefined` as far as is known it can. */
  readonly trouble: string | undefined;
  /** Why events whose attempts are used up would wait, as far as that was looked at; absent or `undefined`: they would not. */
  readonly doubted?: string | undefined;
  close(): Promise<void>;
};

export type CheckedStore = Store & {
  /**
   * Looks whether records can be kept, before there is one, and again every ten seconds while they cannot: what is in
   * the way is logged and in `trouble`. Makes no folder that is not there. Never rejects.
   */
  look(): Promise<void>;
  /**
   * Why what its servers have acknowledged is not durable; `undefined`: it is, or nobody minds. Never rejects. Absent: it
   * is. `stream`: of another stream on these servers.
   */
  doubt?(stream?: string): Promise<string | undefined>;
};

export type StoreLogger = {
  info(fields: { folder: string } | { store: string }, message: string): void;
  warn(
    fields: { component: string; deadLetters: number } | { store: string },
    message: string,
  ): void;
  error(fields: { folder?: string; store?: string }, message: string): void;
};

/** Whether durable records can be kept now. */
export type StoreState = Pick<Store, "trouble" | "doubted">;

export type DeadLetterStore = {
  /**
   * Keeps a dead letter; in the same transaction the event's attempt count says `deadLettered`. One of the
   * same component and identity with the same event is kept in place of it. Resolves to the id that it has.
   */
  put(deadLetter: DeadLetter, fingerprint: string): Promise<string>;
  /**
   * Keeps a dead letter from elsewhere, under its id. `present`: there is one of that id, or of the same event;
   * `expired`: it is older than they are kept; `full`: it would push others out.
   */
  import(deadLetter: StoredDeadLetter): Promise<ImportOutcome>;
  get(id: string): Promise<StoredDeadLetter | undefined>;
  /** By id, oldest first, at most `limit`, after the one with the id `after`. Without payloads larger than `maxData` bytes. */
  list(
    filter: DeadLetterFilter,
    page: {
      readonly limit: number;
      readonly after?: string | undefined;
      readonly maxData?: number;
    },
  ): Promise<ListedDeadLetter[]>;
  /** Replaces it, under its id. False: there is none any more. */
  replace(deadLetter: DeadLetter): Promise<boolean>;
  /**
   * Removes those with these ids, and the attempt counts of those whose source was told; resolves to how many there
   * were. Many: in parts.
   */
  remove(ids: readonly string[]): Promise<number>;
  /** Per component. */
  totals(): Promise<DeadLetterTotal[]>;
};

export type DeadLetterTotal = {
  readonly component: string;
  readonly count: number;
  readonly bytes: number;
  /** When the oldest was stored. */
  readonly oldest: number;
};

export type AttemptStore = {
  /** The counts of a component that an earlier process left, the newest 10,000. */
  load(component: string): Promise<AttemptCount[]>;
  /**
   * Where several threads read a component: tells the one who asked last what others note, and with `undefined` that one of
   * them has ended, so that all is to be loaded again.
   */
  follow?(component: string, listener: (count: AttemptCount | undefined) => void): void;
  /** Notes that an attempt begins; `begun` counts it. */
  begin(component: string, count: AttemptCount): Promise<void>;
  /** Forgets counts of events that are done with; need not be durable. */
  forget(component: string, identities: readonly string[]): void;
  /** Notes that the source of an event in the dead letters was told; need not be durable. */
  told(component: string, identity: string, fingerprint: string): void;
};

export type HistoryStore = {
  /** Keeps records for a while; need not be durable. */
  append(records: readonly HistoryRecord[]): Promise<void>;
  /** Those of events with this id, or in this trace, newest first, at most 100. */
  find(idOrTrace: string, component: string | undefined): Promise<HistoryRecord[]>;
  /** Those of events that became this dead letter, newest first, at most 100. */
  ofDeadLetter(id: string): Promise<HistoryRecord[]>;
  /** The newest, newest first. A page may have fewer than there are: `below` leads to the next one, until it is `undefined`. */
  list(page: HistoryStorePage): Promise<HistoryStoreList>;
};

export type HistoryStorePage = {
  readonly component: string | undefined;
  /** None: in any way. */
  readonly ends: readonly HistoryRecord["end"][];
  /** Ended before, in milliseconds since 1970. */
  readonly endedBefore: number;
  /** Of the page before. */
  readonly below: number;
  readonly limit: number;
};

export type HistoryStoreList = {
  readonly records: HistoryRecord[];
  readonly below: number | undefined;
};

export type ClaimStore = {
  /** Claims a key, unless that was done before and has not expired. Times are milliseconds from now. */
  claim(scope: string, key: string, fingerprint: string, expiresIn: number): Promise<Claim>;
  /** Notes the result, which is kept for so long, whatever became of the claim meanwhile. */
  complete(
    scope: string,
    key: string,
    fingerprint: string,
    result: Uint8Array | undefined,
    expiresIn: number,
  ): Promise<void>;
  /** Gives a claim up: nothing was done. */
  release(scope: string, key: string): Promise<void>;
  /**
   * Has a claim of this process expire so much later. False: it is not its any more, or was completed. Absent where one
   * process has the store alone.
   */
  renew?(scope: string, key: string, fingerprint: string, expiresIn: number): Promise<boolean>;
};

export type PauseStore = {
  /** `undefined`: nobody has paused this component's input. */
  load(component: string): Promise<StoredPause | undefined>;
  /** Keeps it, in place of an earlier one. */
  put(component: string, pause: StoredPause): Promise<void>;
  /** Forgets it, if there is one. */
  remove(component: string): Promise<void>;
  /**
   * Tells of each change, of whichever replica, this one included; perhaps first of what is there now. The result ends
   * that.
   */
  watch(changed: (component: string, pause: StoredPause | undefined) => void): () => void;
};

export type CheckpointStore = {
  /** `undefined`: none of this partition is kept. */
  load(component: string, partition: string): Promise<StoredCheckpoint | undefined>;
  /** Keeps it, in place of an earlier one. */
  put(component: string, partition: string, checkpoint: StoredCheckpoint): Promise<void>;
};

/** What is kept how long; the oldest goes first. */
export type Retention = {
  readonly deadLetters: { readonly age: number; readonly count: number; readonly bytes: number };
  readonly history: { readonly age: number; readonly count: number };
};

const day = 24 * 60 * 60 * 1000;

/** How long attempt counts are kept, in milliseconds, and how many of a component. */
export const attemptRetention = { age: 7 * day, count: 10_000 };

export const defaultRetention: Retention = {
  deadLetters: { age: 30 * day, count: 100_000, bytes: 1024 ** 3 },
  history: { age: 7 * day, count: 100_000 },
};
