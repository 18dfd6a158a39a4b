import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AttemptTable } from "./attempt-table.ts";
import { CheckpointTable } from "./checkpoint-table.ts";
import { ClaimTable } from "./claim-table.ts";
import { CopyTable } from "./copy-table.ts";
import { DatabaseFile } from "./database-file.ts";
import { DeadLetterTable, type Expired } from "./dead-letter-table.ts";
import { failureOf } from "./failure.ts";
import { historyFile, recordsFile } from "./file-names.ts";
import { refuseUnwritable } from "./folder-check.ts";
import { HistoryTable } from "./history-table.ts";
import { FolderLock, LockedFolder } from "./lock.ts";
import {
  operations,
  type Failure,
  type RecordTables,
  type Reply,
  type Request,
} from "./operations.ts";
import { PauseTable } from "./pause-table.ts";
import { historyMigrations, NewerSchema, recordMigrations } from "./schema.ts";
import { sqliteCode } from "./sqlite-error.ts";
import type { Retention } from "../store.ts";

export type EngineOptions = {
  /** A folder, or `:memory:`. */
  readonly folder: string;
  readonly retention: Retention;
  /** Tells this process's claims from those of an earlier one. */
  readonly owner: string;
  /** At most so many pages of 4 KiB a file, as if the disk were full then. */
  readonly maxPages?: number | undefined;
  /** Milliseconds since 1970, a `Float64` that somebody else moves. Absent: the time of the process. */
  readonly clock?: SharedArrayBuffer | undefined;
};

export type EngineEvents = {
  /** Something that a person should know of. */
  notice(text: string): void;
  expired(expired: readonly Expired[]): void;
};

/** The files, their lock and what is done with them, in the thread that owns them. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #events: EngineEvents;
  readonly #records: DatabaseFile<RecordTables>;
  readonly #history: DatabaseFile<HistoryTable>;
  readonly #later: Request[] = [];
  #lock: FolderLock | undefined;
  /** Why the last write of records failed; `undefined`: it did not. */
  trouble: string | undefined;

  constructor(options: EngineOptions, events: EngineEvents) {
    this.#options = options;
    this.#events = events;
    const { folder, retention, owner, maxPages } = options;
    const at = (name: string): string => (folder === ":memory:" ? folder : join(folder, name));
    const file = (path: string) => ({
      path,
      maxPages,
      replaced: (why: string, kept: string | undefined) => {
        const where = kept === undefined ? "" : `; it is kept as ${kept}`;
        // The lock's file is likely gone too.
        if (kept === undefined) this.#disown();
        events.notice(`the store goes on with a new ${path}: ${why}${where}`);
      },
    });
    this.#records = new DatabaseFile({
      ...file(at(recordsFile)),
      migrations: recordMigrations,
      rolledBack: ({ deadLetters }) => deadLetters.recount(),
      synchronous: "FULL",
      tables: (database) => {
        const attempts = new AttemptTable(database);
        const deadLetters = new DeadLetterTable(database, attempts, retention.deadLetters);
        const claims = new ClaimTable(database, owner);
        const pauses = new PauseTable(database);
        const checkpoints = new CheckpointTable(database);
        const copies = new CopyTable(database, attempts);
        return { attempts, deadLetters, claims, pauses, checkpoints, copies };
      },
    });
    this.#history = new DatabaseFile({
      ...file(at(historyFile)),
      migrations: historyMigrations,
      synchronous: "NORMAL",
      tables: (database) => new HistoryTable(database, retention.history),
    });
  }

  /**
   * Does all of it: what writes in one transaction a file, then what reads. Answers are given as soon as they
   * hold. What nobody waits for is written with what somebody does, or at the next {@link flush}.
   */
  run(requests: readonly Request[], answer: (replies: readonly Reply[]) => void): void {
    const sorted = Object.groupBy(requests, kindOf);
    const { later = [], recordWrites = [], historyWrites = [] } = sorted;
    for (const request of later) this.#later.push(request);
    if (recordWrites.length > 0) answer(this.#writeRecords(recordWrites));
    if (historyWrites.length > 0) {
      answer(this.#together(this.#history, operations.historyWrites, historyWrites));
    }
    for (const request of sorted.recordReads ?? []) {
      answer([this.#read(this.#records, operations.recordReads, request)]);
    }
    for (const request of sorted.historyReads ?? []) {
      answer([this.#read(this.#history, operations.historyReads, request)]);
    }
  }

  /** Whether there is something that nobody waits for. */
  get unwritten(): boolean {
    return this.#later.length > 0;
  }

  /** Writes what nobody waited for. */
  flush(): void {
    if (this.unwritten) this.#writeRecords([]);
  }

  /** Removes what is kept no longer. */
  sweep(): void {
    const now = Date.now();
    this.#tend(this.#records, () => {
      this.#expireDeadLetters(now);
      this.#records.write(({ attempts, claims }) => {
        attempts.expire(now);
        claims.expire(now);
      });
    });
    this.#tend(this.#history, () => this.#history.write((history) => history.expire(now)));
  }

  /** Tries to write, to see whether that works again. */
  probe(): void {
    try {
      this.#own();
      this.#records.probe();
      this.trouble = undefined;
    } catch (error) {
      this.#fail(this.#records, error);
    }
  }

  close(): void {
    this.flush();
    this.#records.close();
    this.#history.close();
    this.#disown();
  }

  #writeRecords(requests: readonly Request[]): Reply[] {
    const all = [...this.#later.splice(0), ...requests];
    const replies = this.#together(this.#records, operations.recordWrites, all);
    if (replies.some((reply) => "value" in reply)) this.trouble = undefined;
    try {
      if (this.#records.open && this.#records.read(({ deadLetters }) => deadLetters.full)) {
        this.#expireDeadLetters(Date.now());
      }
    } catch (error) {
      this.#fail(this.#records, error);
    }
    return replies;
  }

  /** All of them in one transaction. One that cannot be written does not take the others along. */
  #together<Tables>(
    file: DatabaseFile<Tables>,
    handlers: object,
    requests: readonly Request[],
  ): Reply[] {
    try {
      this.#own();
      return file.write((tables) => requests.map((request) => reply(handlers, tables, request)));
    } catch (error) {
      if (requests.length === 1 || !mayBeOfOne(error)) {
        const failure = this.#fail(file, error);
        return requests.map(({ number = 0 }) => ({ number, failure }));
      }
    }
    return requests.flatMap((request) => this.#together(file, handlers, [request]));
  }

  #read<Tables>(file: DatabaseFile<Tables>, handlers: object, request: Request): Reply {
    try {
      this.#own();
      return file.read((tables) => reply(handlers, tables, request));
    } catch (error) {
      return { number: request.number ?? 0, failure: this.#fail(file, error) };
    }
  }

  /** What nobody has asked for; a file that is not open is left alone. */
  #tend<Tables>(file: DatabaseFile<Tables>, work: () => void): void {
    if (!file.open) return;
    try {
      work();
      file.shrink();
    } catch (error) {
      this.#fail(file, error);
    }
  }

  #expireDeadLetters(now: number): void {
    const expired = this.#records.write(({ deadLetters }) => deadLetters.expire(now));
    if (expired.length > 0) this.#events.expired(expired);
  }

  #fail<Tables>(file: DatabaseFile<Tables>, error: unknown): Failure {
    const failure = failureOf(error, file.path);
    // History is no condition for anything.
    const matters = (file as object) !== this.#history;
    if (matters && failure.reason === "unavailable") this.trouble = failure.message;
    return failure;
  }

  /** Takes the folder for this process. */
  #own(): void {
    const { folder } = this.#options;
    if (folder === ":memory:" || this.#lock !== undefined) return;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } finally {
      refuseUnwritable(folder);
    }
    this.#lock = new FolderLock(folder);
  }

  #disown(): void {
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }
}

function kindOf({ name, number }: Request): keyof typeof operations | "later" {
  if (number === undefined) return "later";
  if (name in operations.recordWrites) return "recordWrites";
  if (name in operations.historyWrites) return "historyWrites";
  return name in operations.recordReads ? "recordReads" : "historyReads";
}

function reply(handlers: object, tables: unknown, { number = 0, name, args }: Request): Reply {
  const run = (handlers as Record<string, (...args: unknown[]) => unknown>)[name];
  return { number, value: run?.(tables, ...args) };
}

/** Not what would meet each of them: there may be room for smaller ones, and others may be well-formed. */
function mayBeOfOne(error: unknown): boolean {
  const code = sqliteCode(error);
  const ofTheFolder = error instanceof LockedFolder || error instanceof NewerSchema;
  return code === "SQLITE_FULL" || code === "SQLITE_TOOBIG" || (code === undefined && !ofTheFolder);
}
