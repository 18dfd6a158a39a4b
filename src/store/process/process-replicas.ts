import type { ReplicaRecord, ReplicaStore } from "../replicas.ts";
import { ExpiringValues } from "./expiring-values.ts";

/** The replicas where one process has the store: itself. */
export class ProcessReplicas implements ReplicaStore {
  readonly #records = new ExpiringValues<ReplicaRecord>();

  async announce(record: ReplicaRecord, ttl: number): Promise<void> {
    this.#records.set(record.id, record, ttl);
  }

  async withdraw(id: string): Promise<void> {
    this.#records.delete(id);
  }

  async list(): Promise<ReplicaRecord[]> {
    return this.#records.values();
  }

  watch(changed: (id: string, record: ReplicaRecord | undefined) => void): () => void {
    return this.#records.watch(changed);
  }

  clear(): void {
    this.#records.clear();
  }
}
