import type { ReplicaRecord, ReplicaStore } from "../replicas.ts";
import type { StoreConnection } from "./connection.ts";
import { isGone } from "./messages.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import { Watch } from "./watch.ts";
import type { StreamWriter } from "./writer.ts";

/** What replicas say of themselves, as messages with a time to live. */
export class NatsReplicas implements ReplicaStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  readonly #watch: Watch<ReplicaRecord>;

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    writer: StreamWriter,
    subjects: Subjects,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
    this.#watch = new Watch(connection, reader, {
      filter: `${subjects.records}.replica.*`,
      parse: ({ body }) => recordOf(body),
    });
  }

  async announce(record: ReplicaRecord, ttl: number): Promise<void> {
    const body = Buffer.from(JSON.stringify(record));
    const subject = this.#subjects.replica(record.id);
    await this.#writer.writeUnfenced(`replica ${record.id}`, [{ subject, body, ttl }]);
  }

  async withdraw(id: string): Promise<void> {
    const change = { subject: this.#subjects.replica(id), body: undefined };
    // It goes by itself.
    await this.#writer.writeUnfenced(`replica ${id}`, [change]).catch(() => undefined);
  }

  async list(): Promise<ReplicaRecord[]> {
    const records: ReplicaRecord[] = [];
    for await (const message of this.#reader.scan(`${this.#subjects.records}.replica.*`)) {
      if (isGone(message)) continue;
      const body =
        (await this.#reader.body(message)) ?? (await this.#reader.whole(message.subject))?.body;
      const record = body && recordOf(body);
      if (record !== undefined) records.push(record);
    }
    return records.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  watch(changed: (id: string, record: ReplicaRecord | undefined) => void): () => void {
    return this.#watch.watch((record, isThere) => changed(record.id, isThere ? record : undefined));
  }

  close(): void {
    this.#watch.close();
  }
}

function recordOf(body: Uint8Array): ReplicaRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(body).toString()) as ReplicaRecord;
    return typeof record.id === "string" && Array.isArray(record.components) ? record : undefined;
  } catch {
    return undefined;
  }
}
