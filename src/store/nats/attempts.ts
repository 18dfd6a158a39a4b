import type { AttemptCount } from "../records.ts";
import { attemptRetention as retention, type AttemptStore } from "../store.ts";
import { isGone } from "./messages.ts";
import { Conflict } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import type { Change, StreamWriter } from "./writer.ts";

/** How often a count that others change is read anew. */
const mostTries = 5;

type AttemptRecord = AttemptCount & { readonly component: string };

/** The attempt counts of events that are not done with: one message each, which goes by itself after a week. */
export class NatsAttempts implements AttemptStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  /** What was told and is not written yet. */
  readonly #telling = new Set<Promise<void>>();

  constructor(reader: StreamReader, writer: StreamWriter, subjects: Subjects) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
  }

  async load(component: string): Promise<AttemptCount[]> {
    const counts: { readonly subject: string; readonly count: AttemptCount }[] = [];
    for await (const message of this.#reader.scan(`${this.#subjects.attempts(component)}.*`)) {
      if (isGone(message)) continue;
      const body =
        (await this.#reader.body(message)) ?? (await this.#reader.whole(message.subject))?.body;
      if (body === undefined) continue;
      counts.push({ subject: message.subject, count: countOf(body) });
    }
    const kept = counts.slice(-retention.count);
    const tooMany = counts.slice(0, -retention.count);
    if (tooMany.length > 0) {
      const changes = tooMany.map(({ subject }) => ({ subject, body: undefined }));
      for (const change of changes) this.#writer.write(component, [change]).catch(() => undefined);
    }
    return kept.map(({ count }) => count).toReversed();
  }

  async begin(component: string, count: AttemptCount): Promise<void> {
    await this.#writer.write(component, [this.change(component, count)]);
  }

  forget(component: string, identities: readonly string[]): void {
    for (const identity of identities) {
      const subject = this.#subjects.attempt(component, identity);
      this.#writer.write(component, [{ subject, body: undefined }]).catch(() => undefined);
    }
  }

  told(component: string, identity: string, fingerprint: string): void {
    const telling = this.#tell(component, identity, fingerprint)
      .catch(() => undefined)
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
  }

  /** Resolves once all that was told so far is written, or cannot be. */
  async toldAll(): Promise<void> {
    await Promise.all(this.#telling);
  }

  /** The count as it is kept with something else. */
  change(component: string, count: AttemptCount, expected?: number): Change {
    const record = { component, ...count } satisfies AttemptRecord;
    const change = {
      subject: this.#subjects.attempt(component, count.identity),
      body: Buffer.from(JSON.stringify(record)),
      ttl: retention.age,
    };
    return expected === undefined ? change : { ...change, expected };
  }

  /** A count as it is, and the sequence of what there is of it, 0: nothing. */
  find(component: string, identity: string) {
    return this.#find(this.#subjects.attempt(component, identity));
  }

  /** The same, by the last token of its subject. */
  findBy(component: string, token: string) {
    return this.#find(`${this.#subjects.attempts(component)}.${token}`);
  }

  async #find(subject: string) {
    const message = await this.#reader.last(subject);
    if (message === undefined || isGone(message))
      return { count: undefined, sequence: message?.sequence ?? 0, subject };
    const found = await this.#reader.whole(subject);
    const count = found && countOf(found.body);
    return { count, sequence: found?.message.sequence ?? 0, subject };
  }

  async #tell(component: string, identity: string, fingerprint: string): Promise<void> {
    for (let tries = 1; tries <= mostTries; tries++) {
      const { count, sequence } = await this.find(component, identity);
      if (count === undefined || count.fingerprint !== fingerprint) return;
      if (!count.deadLettered || count.told) return;
      try {
        const told = this.change(component, { ...count, told: true }, sequence);
        await this.#writer.write(component, [told]);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }
}

function countOf(body: Uint8Array): AttemptCount {
  const { component: _, ...count } = attemptOf(body);
  return count;
}

export function attemptOf(body: Uint8Array): AttemptRecord {
  return JSON.parse(Buffer.from(body).toString()) as AttemptRecord;
}
