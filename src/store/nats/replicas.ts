import { BindingError } from "../../errors.ts";
import type { ReplicaRecord, ReplicaStore } from "../replicas.ts";
import type { StoreConnection } from "./connection.ts";
import { isGone, jsonIn } from "./messages.ts";
import { Conflict } from "./publishing.ts";
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
  /** The sequences of what this process has written last, by its id. */
  readonly #written = new Map<string, number>();

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
    const { id, host, startedAt } = record;
    const body = Buffer.from(JSON.stringify(record));
    const subject = this.#subjects.replica(id);
    const expected = this.#written.get(id);
    const write = async (change: { readonly expected?: number }): Promise<void> => {
      const { last } = await this.#writer.writeUnfenced(`replica ${id}`, [
        { subject, body, ttl, ...change },
      ]);
      this.#written.set(id, last);
    };
    try {
      return await write(expected === undefined ? {} : { expected });
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
    // It ran out meanwhile, or an earlier announcement came through of which nobody was told.
    const there = await this.#reader.whole(subject);
    const other = there && recordOf(there.body);
    await write({});
    if (other !== undefined && (other.startedAt !== startedAt || other.host !== host))
      throw new BindingError("already_exists", sameId(id, other.host), { effect: "ambiguous" });
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

function sameId(id: string, host: string): string {
  return `another process, on ${host}, is replica ${id}, too: they take leases from each other; give each its own --replica-id`;
}

function recordOf(body: Uint8Array): ReplicaRecord | undefined {
  const record = jsonIn(body) as ReplicaRecord | null | undefined;
  return typeof record?.id === "string" && Array.isArray(record.components) ? record : undefined;
}
