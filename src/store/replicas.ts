/** What a replica says of itself. Times are milliseconds since 1970. */
export type ReplicaRecord = {
  readonly id: string;
  readonly host: string;
  readonly version: string;
  readonly startedAt: number;
  readonly components: readonly ReplicaComponent[];
};

/** A component as one replica has it. */
export type ReplicaComponent = {
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly reason: string;
  readonly inFlight: number;
  readonly backlog?: number;
  /** What other replicas have of it adds up with that. */
  readonly backlogIsPart?: true;
  readonly deadLetters?: number;
  /** Whether this replica has its lease. */
  readonly owns: boolean;
  /** Since when it has. */
  readonly since?: number;
};

/** The replicas of an app id that live. */
export type ReplicaStore = {
  /**
   * Keeps the record in place of the earlier one of its id, for so many milliseconds. Rejects with `already_exists`, and
   * keeps it all the same, where another process has announced that id since this one did.
   */
  announce(record: ReplicaRecord, ttl: number): Promise<void>;
  /** Best effort: never rejects. */
  withdraw(id: string): Promise<void>;
  /** By id. */
  list(): Promise<ReplicaRecord[]>;
  /** Tells of each change, and first of what is there now. The result ends that. */
  watch(changed: (id: string, record: ReplicaRecord | undefined) => void): () => void;
};
