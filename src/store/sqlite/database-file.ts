import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../../errors.ts";
import { salvage } from "./salvage.ts";
import { migrate, type Migrations } from "./schema.ts";
import { isCorruption, sqliteCode } from "./sqlite-error.ts";

export type DatabaseFileOptions<Tables> = {
  /** A path, or `:memory:`. */
  readonly path: string;
  readonly migrations: Migrations;
  /** `FULL`: what is committed is on the disk; `NORMAL`: it may be lost with the machine's power. */
  readonly synchronous: "FULL" | "NORMAL";
  /** At most so many pages of 4 KiB. */
  readonly maxPages?: number | undefined;
  readonly tables: (database: DatabaseSync) => Tables;
  /** A transaction was rolled back. */
  readonly rolledBack?: (tables: Tables) => void;
  /** The file was gone, or not to be read any more. `kept`: where it lies now. */
  readonly replaced: (why: string, kept: string | undefined) => void;
};

/** Free pages beyond which a file is made smaller, and by how many at a time. */
const spare = 4096;

type Opened<Tables> = {
  readonly database: DatabaseSync;
  readonly tables: Tables;
  readonly inode: number;
};

/**
 * One SQLite file, opened when it is first used. One that turns out to be damaged is kept under another name, what
 * can still be read of it is copied into a new one, and the work goes on with that.
 */
export class DatabaseFile<Tables> {
  readonly #options: DatabaseFileOptions<Tables>;
  #opened: Opened<Tables> | undefined;

  constructor(options: DatabaseFileOptions<Tables>) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Runs it in a transaction of its own. When this throws, nothing of it was written. */
  write<Result>(work: (tables: Tables) => Result): Result {
    this.#noticeRemoval();
    return this.#guarded(({ database, tables }) => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const result = work(tables);
        database.exec("COMMIT");
        return result;
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        this.#options.rolledBack?.(tables);
        throw error;
      }
    });
  }

  /** Writes a page, and changes nothing. */
  probe(): void {
    this.#noticeRemoval();
    const version = this.#options.migrations.length;
    this.#guarded(({ database }) => database.exec(`PRAGMA user_version = ${version}`));
  }

  read<Result>(work: (tables: Tables) => Result): Result {
    return this.#guarded(({ tables }) => work(tables));
  }

  /** Gives room back to the disk, where there is much of it, and what is not in use to memory. */
  shrink(): void {
    const database = this.#opened?.database;
    const free = database?.prepare("PRAGMA freelist_count").get()?.["freelist_count"];
    if (Number(free ?? 0) > 2 * spare) database?.exec(`PRAGMA incremental_vacuum(${spare})`);
    database?.exec("PRAGMA shrink_memory");
  }

  get open(): boolean {
    return this.#opened !== undefined;
  }

  close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    try {
      opened?.database.close();
    } catch {
      // What was committed is safe in the log, and is taken from there at the next opening.
    }
  }

  /** What is damaged once may have been misread; what is damaged again, after opening it anew, is set aside. */
  #guarded<Result>(work: (opened: Opened<Tables>) => Result): Result {
    for (let times = 1; ; times++) {
      try {
        return work((this.#opened ??= this.#open()));
      } catch (error) {
        const corrupt = isCorruption(error);
        // After a failed write nothing that is in memory is worth keeping.
        if (corrupt || sqliteCode(error) === "SQLITE_IOERR") this.close();
        if (!corrupt || times === 3) throw error;
        if (times === 2) this.#setAside(error);
      }
    }
  }

  #open(): Opened<Tables> {
    const { path, migrations, synchronous, maxPages, tables } = this.#options;
    if (path !== ":memory:") {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // SQLite would open a read-only file, and fail later for less plain a reason.
      if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    }
    const database = new DatabaseSync(path);
    try {
      // Exclusive: there is no other process, and so no shared memory that a full disk could take away.
      database.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = ${synchronous};
        PRAGMA journal_size_limit = 67108864;
        PRAGMA cache_size = -8192;
      `);
      if (maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${maxPages}`);
      migrate(database, migrations);
      const inode = path === ":memory:" ? 0 : statSync(path).ino;
      return { database, tables: tables(database), inode };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #setAside(why: unknown): void {
    const { path, replaced } = this.#options;
    if (!existsSync(path)) return;
    const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
    const kept = `${path}.corrupt-${stamp}`;
    renameSync(path, kept);
    // The log belongs to its file by its name.
    if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${kept}-wal`);
    this.#opened = this.#open();
    let saved: string;
    try {
      saved = `${salvage(kept, this.#opened.database)} of its records could be read`;
    } catch (error) {
      saved = `its records could not be taken over (${messageOf(error)})`;
    }
    replaced(`it is damaged (${messageOf(why)}); ${saved}`, kept);
  }

  /** A file that somebody has removed would take every write, and lose all of them in the end. */
  #noticeRemoval(): void {
    const { path, replaced } = this.#options;
    if (path === ":memory:" || this.#opened === undefined) return;
    if (statSync(path, { throwIfNoEntry: false })?.ino === this.#opened.inode) return;
    this.close();
    replaced("it was removed", undefined);
  }
}
