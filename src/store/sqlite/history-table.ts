import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { HistoryRecord } from "../records.ts";
import type { CopiedRows } from "./copy-table.ts";
import type { HistoryStoreList, HistoryStorePage, Retention } from "../store.ts";

const most = 100;
/** So many are looked at for one page: others wait for the thread. */
const mostLooked = 5_000;
const copiedPage = 500;

/** An arm for each index, and no more rows of it than may be told. */
function newestBy(column: string): string {
  return `SELECT number FROM (
    SELECT number FROM history WHERE ${column} = ?1 AND (?2 IS NULL OR component = ?2)
    ORDER BY number DESC LIMIT ${most})`;
}

/** What became of events, in the order in which they ended. */
export class HistoryTable {
  readonly #retention: Retention["history"];
  readonly #append: StatementSync;
  readonly #find: StatementSync;
  readonly #list: StatementSync;
  readonly #ofDeadLetter: StatementSync;
  readonly #oldest: StatementSync;
  readonly #newest: StatementSync;
  readonly #removeTo: StatementSync;
  readonly #copied: StatementSync;

  constructor(database: DatabaseSync, retention: Retention["history"]) {
    this.#retention = retention;
    this.#append = database.prepare(
      "INSERT INTO history (event_id, trace_id, component, ended_at, record) VALUES (?, ?, ?, ?, ?)",
    );
    this.#find = database.prepare(
      `SELECT record FROM history WHERE number IN (${["event_id", "trace_id"].map(newestBy).join(" UNION ")})
       ORDER BY number DESC LIMIT ${most}`,
    );
    this.#list = database.prepare(
      `SELECT number, record FROM history
       WHERE number < ?1 AND ended_at < ?2 AND (?3 IS NULL OR component = ?3) ORDER BY number DESC`,
    );
    // Nobody asks often: it needs no index.
    this.#ofDeadLetter = database.prepare(
      `SELECT record FROM history WHERE instr(record, ?) > 0 ORDER BY number DESC LIMIT ${most}`,
    );
    this.#oldest = database.prepare("SELECT number, ended_at FROM history ORDER BY number");
    this.#newest = database.prepare("SELECT max(number) AS number FROM history");
    this.#copied = database.prepare(
      `SELECT number, record FROM history WHERE number > ? ORDER BY number LIMIT ${copiedPage}`,
    );
    this.#removeTo = database.prepare("DELETE FROM history WHERE number <= ?");
  }

  append(records: readonly HistoryRecord[]): void {
    for (const record of records) {
      const { eventId, traceId, component, endedAt } = record;
      this.#append.run(eventId, traceId || null, component, endedAt, JSON.stringify(record));
    }
    this.#removeTo.run(Number(this.#newest.get()?.["number"] ?? 0) - this.#retention.count);
  }

  find(idOrTrace: string, component: string | undefined): HistoryRecord[] {
    return this.#find
      .all(idOrTrace, component ?? null)
      .map((row) => JSON.parse(String(row["record"])) as HistoryRecord);
  }

  ofDeadLetter(id: string): HistoryRecord[] {
    return this.#ofDeadLetter
      .all(JSON.stringify(id))
      .map((row) => JSON.parse(String(row["record"])) as HistoryRecord)
      .filter(({ deadLetter }) => deadLetter === id);
  }

  list({ component, ends, endedBefore, below, limit }: HistoryStorePage): HistoryStoreList {
    const records: HistoryRecord[] = [];
    let looked = 0;
    let last = below;
    for (const row of this.#list.iterate(below, endedBefore, component ?? null)) {
      if (records.length >= limit || ++looked > mostLooked) return { records, below: last };
      last = Number(row["number"]);
      const record = JSON.parse(String(row["record"])) as HistoryRecord;
      if (ends.length === 0 || ends.includes(record.end)) records.push(record);
    }
    return { records, below: undefined };
  }

  /** A part of all, oldest first, for another store. */
  copied(after: number): CopiedRows<HistoryRecord> {
    const rows = this.#copied.all(after);
    const next = rows.length < copiedPage ? undefined : Number(rows.at(-1)?.["number"]);
    return { rows: rows.map((row) => JSON.parse(String(row["record"])) as HistoryRecord), next };
  }

  expire(now: number): void {
    let last = 0;
    for (const row of this.#oldest.iterate()) {
      if (Number(row["ended_at"]) >= now - this.#retention.age) break;
      last = Number(row["number"]);
    }
    if (last > 0) this.#removeTo.run(last);
  }
}
