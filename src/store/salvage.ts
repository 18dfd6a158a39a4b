import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/**
 * Copies what can still be read of a damaged file into a new one, each table from both of its ends. Answers how
 * many rows that were.
 */
export function salvage(damaged: string, into: DatabaseSync): number {
  let from: DatabaseSync;
  try {
    from = new DatabaseSync(damaged);
  } catch {
    return 0;
  }
  let saved = 0;
  try {
    from.exec("PRAGMA locking_mode = EXCLUSIVE");
    const tables = into.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    into.exec("BEGIN IMMEDIATE");
    try {
      for (const table of tables) {
        const name = String(table["name"]);
        saved += copyRows(from, into, name, "ASC") + copyRows(from, into, name, "DESC");
      }
    } finally {
      into.exec("COMMIT");
    }
  } finally {
    from.close();
  }
  return saved;
}

function copyRows(from: DatabaseSync, into: DatabaseSync, table: string, order: string): number {
  let copied = 0;
  try {
    for (const row of from.prepare(`SELECT * FROM ${table} ORDER BY rowid ${order}`).iterate()) {
      const columns = Object.keys(row);
      const places = columns.map(() => "?").join(", ");
      const { changes } = into
        .prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${places})`)
        .run(...(Object.values(row) as SQLInputValue[]));
      // Known already: the other end has come as far as this.
      if (changes === 0 && order === "DESC") break;
      copied += Number(changes);
    }
  } catch {
    // As far as this it could be read.
  }
  return copied;
}
