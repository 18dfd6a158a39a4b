import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteCode } from "./sqlite-error.ts";

/** A folder that another process, or another store of this one, has. */
export class LockedFolder extends Error {}

/**
 * Keeps a folder to one process. The lock is one of the operating system, on an empty SQLite file, so it is gone
 * with the process however that ends; the file beside it only says who has it.
 */
export class FolderLock implements Disposable {
  readonly #database: DatabaseSync;

  /** Throws {@link LockedFolder}, or SQLite's error when no lock can be had at all. */
  constructor(folder: string) {
    const owner = join(folder, "owner");
    const database = new DatabaseSync(join(folder, "lock"));
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if (sqliteCode(error) !== "SQLITE_BUSY") throw error;
      throw new LockedFolder(`${nameOwner(owner)} uses it`, { cause: error });
    }
    this.#database = database;
    try {
      writeFileSync(owner, `${process.pid} ${hostname()}\n`);
    } catch {
      // The lock holds without it.
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function nameOwner(file: string): string {
  try {
    const [pid, host] = readFileSync(file, "utf8").trim().split(" ");
    if (Number(pid) === process.pid && host === hostname()) return "this very process";
    return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  } catch {
    return "another process";
  }
}
