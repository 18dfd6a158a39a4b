import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { AttemptCount } from "../records.ts";
import { attemptRetention } from "../store.ts";

type Row = {
  identity: string;
  fingerprint: string;
  begun: number;
  last_error: string;
  dead_lettered: number;
};

/** The attempt counts of events that are not done with. */
export class AttemptTable {
  readonly #load: StatementSync;
  readonly #note: StatementSync;
  readonly #noteNew: StatementSync;
  readonly #forget: StatementSync;
  readonly #forgetSame: StatementSync;
  readonly #told: StatementSync;
  readonly #components: StatementSync;
  readonly #expire: StatementSync;
  readonly #keepNewest: StatementSync;

  constructor(database: DatabaseSync) {
    this.#load = database.prepare(
      `SELECT identity, fingerprint, begun, last_error, dead_lettered FROM attempts
       WHERE component = ? ORDER BY noted_at DESC, rowid DESC LIMIT ${attemptRetention.count}`,
    );
    this.#note = database.prepare(
      `INSERT OR REPLACE INTO attempts
       (component, identity, fingerprint, begun, last_error, dead_lettered, noted_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#noteNew = database.prepare(
      `INSERT OR IGNORE INTO attempts
       (component, identity, fingerprint, begun, last_error, dead_lettered, noted_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#forget = database.prepare("DELETE FROM attempts WHERE component = ? AND identity = ?");
    this.#forgetSame = database.prepare(
      `DELETE FROM attempts
       WHERE component = ? AND identity = ? AND fingerprint = ? AND dead_lettered <> 1`,
    );
    this.#told = database.prepare(
      `UPDATE attempts SET dead_lettered = 2
       WHERE component = ? AND identity = ? AND fingerprint = ? AND dead_lettered = 1`,
    );
    this.#components = database.prepare(
      "SELECT component FROM attempts GROUP BY component HAVING count(*) > ?",
    );
    this.#expire = database.prepare("DELETE FROM attempts WHERE noted_at < ?");
    this.#keepNewest = database.prepare(
      `DELETE FROM attempts WHERE component = ?1 AND rowid NOT IN (
         SELECT rowid FROM attempts WHERE component = ?1 ORDER BY noted_at DESC, rowid DESC LIMIT ?2)`,
    );
  }

  load(component: string): AttemptCount[] {
    return (this.#load.all(component) as Row[]).map((row) => ({
      identity: row.identity,
      fingerprint: row.fingerprint,
      begun: row.begun,
      lastError: row.last_error,
      deadLettered: row.dead_lettered !== 0,
      ...(row.dead_lettered === 2 ? { told: true } : {}),
    }));
  }

  begin(component: string, count: AttemptCount): void {
    this.#note.run(...valuesOf(component, count));
  }

  /** The same, but a count that is there stays. */
  beginUnlessKnown(component: string, count: AttemptCount): void {
    this.#noteNew.run(...valuesOf(component, count));
  }

  forget(component: string, identities: readonly string[]): void {
    for (const identity of identities) this.#forget.run(component, identity);
  }

  /** The source of an event in the dead letters has been told of it. */
  told(component: string, identity: string, fingerprint: string): void {
    this.#told.run(component, identity, fingerprint);
  }

  /**
   * Forgets the count of this very event, not of another that has its identity now; nor of a dead letter's whose
   * source may not have been told, and so deliver it again.
   */
  forgetSame(component: string, identity: string, fingerprint: string): void {
    this.#forgetSame.run(component, identity, fingerprint);
  }

  expire(now: number): void {
    this.#expire.run(now - attemptRetention.age);
    for (const row of this.#components.all(attemptRetention.count)) {
      this.#keepNewest.run(row["component"] ?? null, attemptRetention.count);
    }
  }
}

function valuesOf(component: string, count: AttemptCount): (string | number)[] {
  const { identity, fingerprint, begun, lastError, deadLettered, told } = count;
  const state = deadLettered ? (told ? 2 : 1) : 0;
  return [component, identity, fingerprint, begun, lastError, state, Date.now()];
}
