/**
 * Where an input that makes its events itself, at the times of a schedule, keeps which of them it has begun. Each write is safe
 * once it resolves, and is not repeated: one that comes late could undo a newer one.
 */
export type TickRecords = {
  /** What was kept for a schedule with this fingerprint; `undefined`: nothing, or of another one. Rejects with a `BindingError`. */
  load(fingerprint: string): Promise<string | undefined>;
  /** Rejects with a `BindingError`: `aborted` where another replica owns the component by now, and `unavailable`. */
  put(fingerprint: string, record: string): Promise<void>;
  /** Set where one replica of several reads, which is this one. Absent: there are no others, or each reads. */
  readonly owner: TickOwner | undefined;
};

export type TickOwner = {
  /** The clock of the replicas' store, in whole milliseconds since 1970. */
  now(): number;
  /** Whether this replica is the owner still. */
  readonly held: boolean;
};
