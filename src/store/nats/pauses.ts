import type { StoredPause } from "../records.ts";
import type { PauseStore } from "../store.ts";
import type { StoreConnection } from "./connection.ts";
import { jsonIn } from "./messages.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import { Watch } from "./watch.ts";
import type { StreamWriter } from "./writer.ts";

type PauseRecord = StoredPause & { readonly component: string };

/** Pauses, which count for all replicas. They are nobody's of a lease: whoever may pause does it on any replica. */
export class NatsPauses implements PauseStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  readonly #watch: Watch<PauseRecord>;

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
      filter: `${subjects.records}.pause.*`,
      parse: ({ body }) => pauseRecordOf(body),
    });
  }

  async load(component: string): Promise<StoredPause | undefined> {
    const found = await this.#reader.whole(this.#subjects.pause(component));
    const record = found && pauseRecordOf(found.body);
    return record && pauseOf(record);
  }

  async put(component: string, { by, reason, since }: StoredPause): Promise<void> {
    const body = Buffer.from(JSON.stringify({ component, by, reason, since }));
    await this.#writer.writeUnfenced(`pause ${component}`, [
      { subject: this.#subjects.pause(component), body },
    ]);
  }

  async remove(component: string): Promise<void> {
    const subject = this.#subjects.pause(component);
    if ((await this.#reader.present(subject)) === undefined) return;
    await this.#writer.writeUnfenced(`pause ${component}`, [{ subject, body: undefined }]);
  }

  watch(changed: (component: string, pause: StoredPause | undefined) => void): () => void {
    return this.#watch.watch((record, isThere) =>
      changed(record.component, isThere ? pauseOf(record) : undefined),
    );
  }

  close(): void {
    this.#watch.close();
  }
}

function pauseOf({ by, reason, since }: PauseRecord): StoredPause {
  return { by, reason, since };
}

export function pauseRecordOf(body: Uint8Array): PauseRecord | undefined {
  return jsonIn(body) as PauseRecord | undefined;
}
