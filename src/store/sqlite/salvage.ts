import { DatabaseSync, type SQLOutputValue } from "node:sqlite";

/**
 * Copies what can still be read of a damaged file into a new one, each table from both of its ends, all or nothing.
 * Answers how many rows that were; throws when the new one cannot be written.
 */
export function salvage(damaged: string, into: DatabaseSync): number {
  const from = open(damaged);
  if (from === undefined) return 0;
  let saved = 0;
  into.exec("BEGIN IMMEDIATE");
  try {
    for (const table of into.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()) {
      const name = String(table["name"]);
      saved += copyRows(from, into, name, "ASC") + copyRows(from, into, name, "DESC");
    }
    into.exec("COMMIT");
    return saved;
  } catch (error) {
    if (into.isTransaction) into.exec("ROLLBACK");
    throw error;
  } finally {
    from.close();
  }
}

function open(damaged: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(damaged);
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return database;
  } catch {
    database?.close();
    return undefined;
  }
}

function copyRows(from: DatabaseSync, into: DatabaseSync, table: string, order: string): number {
  let copied = 0;
  for (const row of readable(from, `SELECT * FROM ${table} ORDER BY rowid ${order}`)) {
    const columns = Object.keys(row);
    const places = columns.map(() => "?").join(", ");
    const { changes } = into
      .prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${places})`)
      .run(...Object.values(row));
    // Known already: the other end has come as far as this.
    if (changes === 0 && order === "DESC") break;
    copied += Number(changes);
  }
  return copied;
}

/** The rows as far as they can be read. */
function* readable(from: DatabaseSync, sql: string): Generator<Record<string, SQLOutputValue>> {
  try {
    yield* from.prepare(sql).iterate();
  } catch {
    // From here on it is damaged.
  }
}
