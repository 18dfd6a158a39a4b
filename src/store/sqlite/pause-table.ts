import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredPause } from "../records.ts";

/** The inputs that somebody has paused, by their components' names. */
export class PauseTable {
  readonly #load: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#load = database.prepare(
      "SELECT paused_by, reason, since FROM pauses WHERE component = ?",
    );
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO pauses (component, paused_by, reason, since) VALUES (?, ?, ?, ?)",
    );
    this.#remove = database.prepare("DELETE FROM pauses WHERE component = ?");
  }

  load(component: string): StoredPause | undefined {
    const row = this.#load.get(component);
    if (row === undefined) return undefined;
    return {
      by: String(row["paused_by"]),
      reason: String(row["reason"]),
      since: Number(row["since"]),
    };
  }

  put(component: string, { by, reason, since }: StoredPause): void {
    this.#put.run(component, by, reason, since);
  }

  remove(component: string): void {
    this.#remove.run(component);
  }
}
