import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { lockFile } from "./file-names.ts";
import { sqliteCode } from "./sqlite-error.ts";

const { O_CREAT, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;

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
    const database = new DatabaseSync(join(folder, lockFile));
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if (sqliteCode(error) !== "SQLITE_BUSY") throw error;
      throw new LockedFolder(`${nameOwner(owner)} uses it`, { cause: error });
    }
    this.#database = database;
    try {
      const text = `${process.pid} ${hostname()}\n`;
      withFile(owner, O_CREAT | O_TRUNC | O_WRONLY, (file) => writeSync(file, text));
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
    const [pid, host] = readStart(file).trim().split(" ");
    if (Number(pid) === process.pid && host === hostname()) return "this very process";
    if (host === undefined) return "another process";
    return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  } catch {
    return "another process";
  }
}

function readStart(file: string): string {
  const bytes = Buffer.alloc(512);
  return withFile(file, O_RDONLY, (file) => bytes.toString("utf8", 0, readSync(file, bytes)));
}

/** Opens it, without waiting for the other end of a pipe in its place. */
function withFile<Result>(path: string, flags: number, work: (file: number) => Result): Result {
  const file = openSync(path, flags | O_NONBLOCK);
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}
