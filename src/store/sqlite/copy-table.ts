import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CopiedClaim } from "../copying.ts";
import type { AttemptCount, StoredCheckpoint, StoredPause } from "../records.ts";
import type { AttemptTable } from "./attempt-table.ts";

/** Rows of one answer. */
const page = 500;

type Row = Record<string, unknown>;

/** A part of a table, and where the next one begins; `undefined`: there is none. */
export type CopiedRows<Value> = { readonly rows: Value[]; readonly next: number | undefined };

/** Reads whole tables, part by part, and takes rows of other stores unless there is one in their place. */
export class CopyTable {
  readonly #attempts: AttemptTable;
  readonly #readAttempts: StatementSync;
  readonly #readCheckpoints: StatementSync;
  readonly #readPauses: StatementSync;
  readonly #readClaims: StatementSync;
  readonly #addCheckpoint: StatementSync;
  readonly #addPause: StatementSync;
  readonly #dropClaim: StatementSync;
  readonly #addClaim: StatementSync;
  readonly #hasAttempt: StatementSync;

  constructor(database: DatabaseSync, attempts: AttemptTable) {
    this.#attempts = attempts;
    const read = (table: string): StatementSync =>
      database.prepare(
        `SELECT rowid AS number, * FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${page}`,
      );
    this.#readAttempts = read("attempts");
    this.#readCheckpoints = read("checkpoints");
    this.#readPauses = read("pauses");
    this.#readClaims = read("claims");
    this.#hasAttempt = database.prepare(
      "SELECT 1 FROM attempts WHERE component = ? AND identity = ?",
    );
    this.#addCheckpoint = database.prepare(
      "INSERT OR IGNORE INTO checkpoints (component, source_partition, fingerprint, position) VALUES (?, ?, ?, ?)",
    );
    this.#addPause = database.prepare(
      "INSERT OR IGNORE INTO pauses (component, paused_by, reason, since) VALUES (?, ?, ?, ?)",
    );
    this.#dropClaim = database.prepare(
      "DELETE FROM claims WHERE scope = ? AND key = ? AND expires_at <= ?",
    );
    this.#addClaim = database.prepare(
      `INSERT OR IGNORE INTO claims (scope, key, fingerprint, owner, since, expires_at, done, result)
       VALUES (?, ?, ?, 'copied', ?, ?, ?, ?)`,
    );
  }

  attempts(after: number): CopiedRows<{ component: string; count: AttemptCount }> {
    return partOf(this.#readAttempts, after, (row) => ({
      component: String(row["component"]),
      count: {
        identity: String(row["identity"]),
        fingerprint: String(row["fingerprint"]),
        begun: Number(row["begun"]),
        lastError: String(row["last_error"]),
        deadLettered: row["dead_lettered"] !== 0,
        ...(row["dead_lettered"] === 2 ? { told: true } : {}),
      },
    }));
  }

  checkpoints(
    after: number,
  ): CopiedRows<{ component: string; partition: string; checkpoint: StoredCheckpoint }> {
    return partOf(this.#readCheckpoints, after, (row) => ({
      component: String(row["component"]),
      partition: String(row["source_partition"]),
      checkpoint: { fingerprint: String(row["fingerprint"]), position: String(row["position"]) },
    }));
  }

  pauses(after: number): CopiedRows<{ component: string; pause: StoredPause }> {
    return partOf(this.#readPauses, after, (row) => ({
      component: String(row["component"]),
      pause: {
        by: String(row["paused_by"]),
        reason: String(row["reason"]),
        since: Number(row["since"]),
      },
    }));
  }

  claims(after: number): CopiedRows<CopiedClaim> {
    const now = Date.now();
    return partOf(this.#readClaims, after, (row) => ({
      ...{ scope: String(row["scope"]), key: String(row["key"]) },
      ...{ fingerprint: String(row["fingerprint"]), done: row["done"] !== 0 },
      result: (row["result"] as Uint8Array | null) ?? undefined,
      expiresIn: Number(row["expires_at"]) - now,
    }));
  }

  addAttempt(component: string, count: AttemptCount): boolean {
    if (this.#hasAttempt.get(component, count.identity) !== undefined) return false;
    this.#attempts.begin(component, count);
    return true;
  }

  addCheckpoint(component: string, partition: string, checkpoint: StoredCheckpoint): boolean {
    const { fingerprint, position } = checkpoint;
    return this.#addCheckpoint.run(component, partition, fingerprint, position).changes > 0;
  }

  addPause(component: string, { by, reason, since }: StoredPause): boolean {
    return this.#addPause.run(component, by, reason, since).changes > 0;
  }

  addClaim({ scope, key, fingerprint, done, result, expiresIn }: CopiedClaim): boolean {
    const now = Date.now();
    this.#dropClaim.run(scope, key, now);
    const values = [scope, key, fingerprint, now, now + expiresIn, done ? 1 : 0, result ?? null];
    return this.#addClaim.run(...values).changes > 0;
  }
}

function partOf<Value>(
  statement: StatementSync,
  after: number,
  valueOf: (row: Row) => Value,
): CopiedRows<Value> {
  const rows = statement.all(after) as Row[];
  const next = rows.length < page ? undefined : Number(rows.at(-1)?.["number"]);
  return { rows: rows.map(valueOf), next };
}
