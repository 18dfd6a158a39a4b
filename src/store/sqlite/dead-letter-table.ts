import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { AttemptTable } from "./attempt-table.ts";
import {
  keptAttempts,
  sizeOf,
  type PackedDeadLetter,
  type PackedListedDeadLetter,
  type PackedStoredDeadLetter,
} from "./packed-dead-letter.ts";
import type { AttemptRecord, DeadLetterFilter, ImportOutcome } from "../records.ts";
import type { DeadLetterTotal, Retention } from "../store.ts";

/** How many dead letters of which component were too old or too many. */
export type Expired = { readonly component: string; readonly count: number };

export type DeadLetterPage = {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly maxData?: number;
};

const columns = `id, component, type, cause, reason, identity, fingerprint, event_id AS eventId, failed,
  received_at AS receivedAt, stored_at AS storedAt, trace_id AS traceId, redrives, edited, key, metadata,
  attempts, headers`;

type Row = Record<string, unknown> & { edited: number };

/** Events that wait for somebody's decision. Nothing here begins or ends a transaction. */
export class DeadLetterTable {
  readonly #attempts: AttemptTable;
  readonly #retention: Retention["deadLetters"];
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #same: StatementSync;
  readonly #update: StatementSync;
  readonly #get: StatementSync;
  readonly #take: StatementSync;
  readonly #totals: StatementSync;
  readonly #tooOld: StatementSync;
  readonly #oldest: StatementSync;
  /** What is there in all; `undefined`: to be counted. */
  #size: { count: number; bytes: number } | undefined;

  constructor(database: DatabaseSync, attempts: AttemptTable, retention: Retention["deadLetters"]) {
    this.#database = database;
    this.#attempts = attempts;
    this.#retention = retention;
    // Filters compare in any case, in every script.
    database.function("folded", { deterministic: true }, (text) => String(text).toLowerCase());
    this.#insert = database.prepare(
      `INSERT INTO dead_letters
       (id, component, type, cause, reason, identity, fingerprint, event_id, failed, received_at, stored_at,
        trace_id, redrives, edited, bytes, key, metadata, attempts, headers, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#same = database.prepare(
      `SELECT ${columns}, data FROM dead_letters WHERE component = ? AND identity = ? AND fingerprint = ?`,
    );
    this.#update = database.prepare(
      `UPDATE dead_letters SET type = ?, cause = ?, reason = ?, event_id = ?, failed = ?, received_at = ?,
         stored_at = ?, trace_id = ?, redrives = ?, edited = ?, bytes = ?, key = ?, metadata = ?, attempts = ?,
         headers = ?, data = ?
       WHERE id = ? RETURNING id`,
    );
    this.#get = database.prepare(`SELECT ${columns}, data FROM dead_letters WHERE id = ?`);
    this.#take = database.prepare(
      "DELETE FROM dead_letters WHERE id = ? RETURNING component, identity, fingerprint, bytes",
    );
    this.#totals = database.prepare(
      `SELECT component, count(*) AS count, sum(bytes) AS bytes, min(stored_at) AS oldest
       FROM dead_letters INDEXED BY dead_letters_by_component GROUP BY component ORDER BY component`,
    );
    this.#tooOld = database.prepare(
      "SELECT id FROM dead_letters INDEXED BY dead_letters_by_component WHERE stored_at < ?",
    );
    this.#oldest = database.prepare("SELECT id, component, bytes FROM dead_letters ORDER BY id");
  }

  /**
   * Keeps a dead letter, and marks the event's attempt count. A dead letter of the same event stays in its place, and
   * learns of the attempts that came since.
   */
  put(deadLetter: PackedDeadLetter, fingerprint: string): string {
    const { component, identity } = deadLetter;
    this.#attempts.begin(component, {
      identity,
      fingerprint,
      begun: deadLetter.failed,
      lastError: deadLetter.reason,
      deadLettered: true,
    });
    const same = this.#same.get(component, identity, fingerprint) as Row | undefined;
    if (same !== undefined) {
      const kept = deadLetterOf(same);
      const newer = JSON.parse(deadLetter.attempts) as AttemptRecord[];
      if (newer.length > 0) this.replace(withAttempts(kept, deadLetter, newer));
      return kept.id;
    }
    this.#add(deadLetter, fingerprint);
    return deadLetter.id;
  }

  /**
   * Keeps a dead letter from elsewhere, unless it is there, by its id or as the same event. Nothing that is there is
   * removed for it. Its source counts as told: should the event come again after the dead letter went, it is meant to.
   */
  import(deadLetter: PackedStoredDeadLetter, now = Date.now()): ImportOutcome {
    const { id, component, identity, fingerprint, failed, reason } = deadLetter;
    if (this.#get.get(id) !== undefined) return "present";
    if (this.#same.get(component, identity, fingerprint) !== undefined) return "present";
    if (deadLetter.storedAt < now - this.#retention.age) return "expired";
    const { count, bytes } = this.#counted();
    const isFull =
      count + 1 > this.#retention.count || bytes + sizeOf(deadLetter) > this.#retention.bytes;
    if (isFull && count > 0) return "full";
    this.#add(deadLetter, fingerprint);
    const about = { identity, fingerprint, begun: failed, lastError: reason, deadLettered: true };
    this.#attempts.beginUnlessKnown(component, { ...about, told: true });
    return "imported";
  }

  #add(deadLetter: PackedDeadLetter, fingerprint: string): void {
    const { id, component, type, cause, reason, identity, eventId, failed } = deadLetter;
    const { receivedAt, storedAt, traceId } = deadLetter;
    const bytes = sizeOf(deadLetter);
    // oxfmt-ignore
    this.#insert.run(
      id, component, type, cause, reason, identity, fingerprint, eventId ?? null, failed, receivedAt, storedAt,
      traceId, deadLetter.redrives, deadLetter.edited ? 1 : 0, bytes, deadLetter.key ?? null, deadLetter.metadata,
      deadLetter.attempts, deadLetter.headers, deadLetter.data ?? null,
    );
    if (this.#size !== undefined) {
      this.#size.count++;
      this.#size.bytes += bytes;
    }
  }

  get(id: string): PackedStoredDeadLetter | undefined {
    const row = this.#get.get(id) as Row | undefined;
    return row && deadLetterOf(row);
  }

  list(
    filter: DeadLetterFilter,
    { limit, after, maxData }: DeadLetterPage,
  ): PackedListedDeadLetter[] {
    const wanted: string[] = [];
    const values: SQLInputValue[] = [];
    const want = (condition: string, value: SQLInputValue | undefined): void => {
      if (value === undefined) return;
      wanted.push(condition);
      values.push(value);
    };
    want("id IN (SELECT value FROM json_each(?))", filter.ids && JSON.stringify(filter.ids));
    want("component = ?", filter.component);
    want("instr(folded(reason), ?) > 0", filter.reason?.toLowerCase());
    want("event_id = ?", filter.eventId);
    want("stored_at >= ?", filter.since);
    want("stored_at < ?", filter.before);
    want("id > ?", after);
    const data = maxData === undefined ? "data" : "iif(length(data) <= ?, data, NULL) AS data";
    const where = wanted.length === 0 ? "" : `WHERE ${wanted.join(" AND ")}`;
    return this.#database
      .prepare(
        `SELECT ${columns}, ifnull(length(data), 0) AS size, ${data} FROM dead_letters ${where} ORDER BY id LIMIT ?`,
      )
      .all(...(maxData === undefined ? [] : [maxData]), ...values, limit)
      .map((row) => deadLetterOf(row as Row) as PackedListedDeadLetter);
  }

  replace(deadLetter: PackedDeadLetter): boolean {
    const { type, cause, reason, eventId, failed, receivedAt, storedAt, traceId, redrives } =
      deadLetter;
    this.#size = undefined;
    // oxfmt-ignore
    const changed = this.#update.get(
      type, cause, reason, eventId ?? null, failed, receivedAt, storedAt, traceId, redrives,
      deadLetter.edited ? 1 : 0, sizeOf(deadLetter), deadLetter.key ?? null, deadLetter.metadata, deadLetter.attempts,
      deadLetter.headers, deadLetter.data ?? null, deadLetter.id,
    );
    return changed !== undefined;
  }

  /** Their events' attempt counts go too. */
  remove(ids: readonly string[]): number {
    let removed = 0;
    for (const id of ids) {
      const row = this.#take.get(id);
      if (row === undefined) continue;
      removed++;
      this.#attempts.forgetSame(
        String(row["component"]),
        String(row["identity"]),
        String(row["fingerprint"]),
      );
      if (this.#size !== undefined) {
        this.#size.count--;
        this.#size.bytes -= Number(row["bytes"]);
      }
    }
    return removed;
  }

  totals(): DeadLetterTotal[] {
    return this.#totals.all().map((row) => ({
      component: String(row["component"]),
      count: Number(row["count"]),
      bytes: Number(row["bytes"]),
      oldest: Number(row["oldest"]),
    }));
  }

  /** To be called when a transaction was rolled back. */
  recount(): void {
    this.#size = undefined;
  }

  /** Whether there is more than may be kept. */
  get full(): boolean {
    const { count, bytes } = this.#counted();
    return count > 1 && (count > this.#retention.count || bytes > this.#retention.bytes);
  }

  /** Removes what is too old; then, oldest first, what is too much, but never the last one. */
  expire(now: number): Expired[] {
    const expired = new Map<string, number>();
    const take = (id: string): void => {
      const component = String(this.#take.get(id)?.["component"]);
      expired.set(component, (expired.get(component) ?? 0) + 1);
    };
    for (const row of this.#tooOld.all(now - this.#retention.age)) take(String(row["id"]));
    if (expired.size > 0) this.#size = undefined;
    if (this.full) {
      for (const id of this.#tooMuch()) take(id);
      this.#size = undefined;
    }
    return [...expired].map(([component, count]) => ({ component, count }));
  }

  #tooMuch(): string[] {
    let { count, bytes } = this.#counted();
    const ids: string[] = [];
    for (const row of this.#oldest.iterate()) {
      if (count <= 1 || (count <= this.#retention.count && bytes <= this.#retention.bytes)) break;
      ids.push(String(row["id"]));
      count--;
      bytes -= Number(row["bytes"]);
    }
    return ids;
  }

  #counted(): { count: number; bytes: number } {
    if (this.#size === undefined) {
      this.#size = { count: 0, bytes: 0 };
      for (const { count, bytes } of this.totals()) {
        this.#size.count += count;
        this.#size.bytes += bytes;
      }
    }
    return this.#size;
  }
}

/** SQL has no booleans, and its nothing is null. */
function deadLetterOf(row: Row): PackedStoredDeadLetter {
  const { edited, key, eventId, data, ...rest } = row;
  return {
    ...rest,
    edited: edited !== 0,
    key: key ?? undefined,
    eventId: eventId ?? undefined,
    data: data ?? undefined,
  } as PackedStoredDeadLetter;
}

function withAttempts(
  kept: PackedDeadLetter,
  newer: PackedDeadLetter,
  attempts: readonly AttemptRecord[],
): PackedDeadLetter {
  const all = [...(JSON.parse(kept.attempts) as AttemptRecord[]), ...attempts];
  return {
    ...kept,
    cause: newer.cause,
    reason: newer.reason,
    failed: kept.failed + newer.failed,
    traceId: newer.traceId,
    attempts: JSON.stringify(all.slice(-keptAttempts)),
  };
}
