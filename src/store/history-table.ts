import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { HistoryRecord } from "./records.ts";
import type { Retention } from "./store.ts";

/** What became of events, in the order in which they ended. */
export class HistoryTable {
  readonly #retention: Retention["history"];
  readonly #append: StatementSync;
  readonly #find: StatementSync;
  readonly #oldest: StatementSync;
  readonly #newest: StatementSync;
  readonly #removeTo: StatementSync;

  constructor(database: DatabaseSync, retention: Retention["history"]) {
    this.#retention = retention;
    this.#append = database.prepare(
      "INSERT INTO history (event_id, component, ended_at, record) VALUES (?, ?, ?, ?)",
    );
    this.#find = database.prepare(
      `SELECT record FROM history WHERE event_id = ?1 AND (?2 IS NULL OR component = ?2)
       ORDER BY number DESC LIMIT 100`,
    );
    this.#oldest = database.prepare("SELECT number, ended_at FROM history ORDER BY number");
    this.#newest = database.prepare("SELECT max(number) AS number FROM history");
    this.#removeTo = database.prepare("DELETE FROM history WHERE number <= ?");
  }

  append(records: readonly HistoryRecord[]): void {
    for (const record of records) {
      const { eventId, component, endedAt } = record;
      this.#append.run(eventId, component, endedAt, JSON.stringify(record));
    }
    this.#removeTo.run(Number(this.#newest.get()?.["number"] ?? 0) - this.#retention.count);
  }

  find(eventId: string, component: string | undefined): HistoryRecord[] {
    return this.#find
      .all(eventId, component ?? null)
      .map((row) => JSON.parse(String(row["record"])) as HistoryRecord);
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
