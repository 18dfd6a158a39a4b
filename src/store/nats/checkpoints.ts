import type { StoredCheckpoint } from "../records.ts";
import type { CheckpointStore } from "../store.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import type { StreamWriter } from "./writer.ts";

export type CheckpointRecord = StoredCheckpoint & {
  readonly component: string;
  readonly partition: string;
};

/** How far sources were handled. */
export class NatsCheckpoints implements CheckpointStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;

  constructor(reader: StreamReader, writer: StreamWriter, subjects: Subjects) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
  }

  async load(component: string, partition: string): Promise<StoredCheckpoint | undefined> {
    const found = await this.#reader.whole(this.#subjects.checkpoint(component, partition));
    if (found === undefined) return undefined;
    const { fingerprint, position } = checkpointOf(found.body);
    return { fingerprint, position };
  }

  async put(component: string, partition: string, checkpoint: StoredCheckpoint): Promise<void> {
    const { fingerprint, position } = checkpoint;
    const record = { component, partition, fingerprint, position } satisfies CheckpointRecord;
    const body = Buffer.from(JSON.stringify(record));
    const subject = this.#subjects.checkpoint(component, partition);
    await this.#writer.write(component, [{ subject, body }]);
  }
}

export function checkpointOf(body: Uint8Array): CheckpointRecord {
  return JSON.parse(Buffer.from(body).toString()) as CheckpointRecord;
}
