import type { DatabaseSync } from "node:sqlite";

/**
 * The steps from an empty file to the newest form, in their order: step n makes version n. A step that was
 * released is never changed; another is added behind it.
 */
export type Migrations = readonly string[];

/**
 * Dead letters, attempt counts, claims, pauses and checkpoints: what must be safe before somebody is told. `dead_lettered` is 0, or 1, or
 * 2 once the source was told.
 */
export const recordMigrations: Migrations = [
  `
  CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY,
    component TEXT NOT NULL,
    type TEXT NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    identity TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    event_id TEXT,
    failed INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    trace_id TEXT NOT NULL,
    redrives INTEGER NOT NULL,
    edited INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    key ANY,
    metadata TEXT NOT NULL,
    attempts TEXT NOT NULL,
    headers BLOB NOT NULL,
    data BLOB
  ) STRICT;
  CREATE UNIQUE INDEX dead_letters_by_event ON dead_letters (component, identity, fingerprint);
  CREATE INDEX dead_letters_by_component ON dead_letters (component, id, stored_at, bytes);

  CREATE TABLE attempts (
    component TEXT NOT NULL,
    identity TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    begun INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    dead_lettered INTEGER NOT NULL,
    noted_at INTEGER NOT NULL,
    PRIMARY KEY (component, identity)
  ) STRICT;

  CREATE TABLE claims (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    owner TEXT NOT NULL,
    since INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    done INTEGER NOT NULL,
    result BLOB,
    PRIMARY KEY (scope, key)
  ) STRICT;
  CREATE INDEX claims_by_expiry ON claims (expires_at);
  `,
  `
  CREATE TABLE pauses (
    component TEXT PRIMARY KEY,
    paused_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE checkpoints (
    component TEXT NOT NULL,
    source_partition TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (component, source_partition)
  ) STRICT;
  `,
];

/** What became of events: kept for a while, for people. */
export const historyMigrations: Migrations = [
  `
  CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    component TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX history_by_event ON history (event_id);
  `,
  `
  ALTER TABLE history ADD COLUMN trace_id TEXT;
  UPDATE history SET trace_id = nullif(json_extract(record, '$.traceId'), '');
  CREATE INDEX history_by_trace ON history (trace_id) WHERE trace_id IS NOT NULL;
  `,
];

/** A file that a newer program has written. */
export class NewerSchema extends Error {}

/** Brings a file to the newest version, a transaction a step, and keeps what it holds. */
export function migrate(database: DatabaseSync, migrations: Migrations): void {
  const version = versionOf(database);
  if (version > migrations.length) {
    throw new NewerSchema(`it has version ${version}, and this program knows ${migrations.length}`);
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue;
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(step);
      database.exec(`PRAGMA user_version = ${index + 1}`);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}
