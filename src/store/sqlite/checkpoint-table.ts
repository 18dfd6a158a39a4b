import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredCheckpoint } from "../records.ts";

/** How far the sources of components were handled, by component and partition. */
export class CheckpointTable {
  readonly #load: StatementSync;
  readonly #put: StatementSync;

  constructor(database: DatabaseSync) {
    this.#load = database.prepare(
      "SELECT fingerprint, position FROM checkpoints WHERE component = ? AND source_partition = ?",
    );
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO checkpoints (component, source_partition, fingerprint, position) VALUES (?, ?, ?, ?)",
    );
  }

  load(component: string, partition: string): StoredCheckpoint | undefined {
    const row = this.#load.get(component, partition);
    if (row === undefined) return undefined;
    return { fingerprint: String(row["fingerprint"]), position: String(row["position"]) };
  }

  put(component: string, partition: string, { fingerprint, position }: StoredCheckpoint): void {
    this.#put.run(component, partition, fingerprint, position);
  }
}
