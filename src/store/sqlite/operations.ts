import type { AttemptTable } from "./attempt-table.ts";
import type { CopiedClaim } from "../copying.ts";
import type { CheckpointTable } from "./checkpoint-table.ts";
import type { ClaimTable } from "./claim-table.ts";
import type { CopyTable } from "./copy-table.ts";
import type { DeadLetterTable, DeadLetterPage } from "./dead-letter-table.ts";
import type { HistoryTable } from "./history-table.ts";
import type { PackedDeadLetter, PackedStoredDeadLetter } from "./packed-dead-letter.ts";
import type { HistoryStorePage } from "../store.ts";
import type { PauseTable } from "./pause-table.ts";
import type {
  AttemptCount,
  DeadLetterFilter,
  HistoryRecord,
  StoredCheckpoint,
  StoredPause,
} from "../records.ts";

/** The tables of the file whose writes are durable. */
export type RecordTables = {
  readonly deadLetters: DeadLetterTable;
  readonly attempts: AttemptTable;
  readonly claims: ClaimTable;
  readonly pauses: PauseTable;
  readonly checkpoints: CheckpointTable;
  readonly copies: CopyTable;
};

/** What the other thread may ask for; those that write share a transaction. */
export const operations = {
  recordWrites: {
    putDeadLetter: (
      { deadLetters }: RecordTables,
      deadLetter: PackedDeadLetter,
      fingerprint: string,
    ) => deadLetters.put(deadLetter, fingerprint),
    importDeadLetter: ({ deadLetters }: RecordTables, deadLetter: PackedStoredDeadLetter) =>
      deadLetters.import(deadLetter),
    replaceDeadLetter: ({ deadLetters }: RecordTables, deadLetter: PackedDeadLetter) =>
      deadLetters.replace(deadLetter),
    removeDeadLetters: ({ deadLetters }: RecordTables, ids: readonly string[]) =>
      deadLetters.remove(ids),
    beginAttempt: ({ attempts }: RecordTables, component: string, count: AttemptCount) =>
      attempts.begin(component, count),
    forgetAttempts: ({ attempts }: RecordTables, component: string, identities: string[]) =>
      attempts.forget(component, identities),
    toldAttempt: (
      { attempts }: RecordTables,
      component: string,
      identity: string,
      fingerprint: string,
    ) => attempts.told(component, identity, fingerprint),
    claim: (
      { claims }: RecordTables,
      scope: string,
      key: string,
      fingerprint: string,
      expiresIn: number,
    ) => claims.claim(scope, key, fingerprint, expiresIn),
    completeClaim: (
      { claims }: RecordTables,
      scope: string,
      key: string,
      fingerprint: string,
      result: Uint8Array | undefined,
      expiresIn: number,
    ) => claims.complete(scope, key, fingerprint, result, expiresIn),
    releaseClaim: ({ claims }: RecordTables, scope: string, key: string) =>
      claims.release(scope, key),
    putPause: ({ pauses }: RecordTables, component: string, pause: StoredPause) =>
      pauses.put(component, pause),
    removePause: ({ pauses }: RecordTables, component: string) => pauses.remove(component),
    putCheckpoint: (
      { checkpoints }: RecordTables,
      component: string,
      partition: string,
      checkpoint: StoredCheckpoint,
    ) => checkpoints.put(component, partition, checkpoint),
    copyAttempt: ({ copies }: RecordTables, component: string, count: AttemptCount) =>
      copies.addAttempt(component, count),
    copyCheckpoint: (
      { copies }: RecordTables,
      component: string,
      partition: string,
      checkpoint: StoredCheckpoint,
    ) => copies.addCheckpoint(component, partition, checkpoint),
    copyPause: ({ copies }: RecordTables, component: string, pause: StoredPause) =>
      copies.addPause(component, pause),
    copyClaim: ({ copies }: RecordTables, claim: CopiedClaim) => copies.addClaim(claim),
  },
  recordReads: {
    copiedAttempts: ({ copies }: RecordTables, after: number) => copies.attempts(after),
    copiedCheckpoints: ({ copies }: RecordTables, after: number) => copies.checkpoints(after),
    copiedPauses: ({ copies }: RecordTables, after: number) => copies.pauses(after),
    copiedClaims: ({ copies }: RecordTables, after: number) => copies.claims(after),
    getDeadLetter: ({ deadLetters }: RecordTables, id: string) => deadLetters.get(id),
    listDeadLetters: (
      { deadLetters }: RecordTables,
      filter: DeadLetterFilter,
      page: DeadLetterPage,
    ) => deadLetters.list(filter, page),
    deadLetterTotals: ({ deadLetters }: RecordTables) => deadLetters.totals(),
    loadAttempts: ({ attempts }: RecordTables, component: string) => attempts.load(component),
    loadPause: ({ pauses }: RecordTables, component: string) => pauses.load(component),
    loadCheckpoint: ({ checkpoints }: RecordTables, component: string, partition: string) =>
      checkpoints.load(component, partition),
  },
  historyWrites: {
    appendHistory: (history: HistoryTable, records: readonly HistoryRecord[]) =>
      history.append(records),
  },
  historyReads: {
    copiedHistory: (history: HistoryTable, after: number) => history.copied(after),
    findHistory: (history: HistoryTable, idOrTrace: string, component: string | undefined) =>
      history.find(idOrTrace, component),
    historyOfDeadLetter: (history: HistoryTable, id: string) => history.ofDeadLetter(id),
    listHistory: (history: HistoryTable, page: HistoryStorePage) => history.list(page),
  },
};

type All = (typeof operations)["recordWrites"] &
  (typeof operations)["recordReads"] &
  (typeof operations)["historyWrites"] &
  (typeof operations)["historyReads"];

export type OperationName = keyof All;

type WithoutTables<Parameters extends readonly unknown[]> = Parameters extends [
  unknown,
  ...infer Rest,
]
  ? Rest
  : never;

export type Arguments<Name extends OperationName> = WithoutTables<Parameters<All[Name]>>;
export type Result<Name extends OperationName> = ReturnType<All[Name]>;

/** One asking of the other thread. */
export type Request = {
  /** Absent: no caller waits for the answer, and it need not be durable. */
  readonly number?: number;
  readonly name: OperationName;
  readonly args: readonly unknown[];
};

/** Why a request failed, as it travels between the threads. */
export type Failure = {
  readonly reason: "unavailable" | "invalid_argument" | "internal";
  readonly effect: "unsent" | "ambiguous" | "rejected";
  readonly message: string;
  readonly systemCode: string | undefined;
};

export type Reply =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly failure: Failure };
