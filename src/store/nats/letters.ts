import { BindingError } from "../../errors.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  ImportOutcome,
  ListedDeadLetter,
  StoredDeadLetter,
} from "../records.ts";
import type { DeadLetterStore, DeadLetterTotal, Retention } from "../store.ts";
import type { NatsAttempts } from "./attempts.ts";
import type { StoreConnection } from "./connection.ts";
import { bytesBeforeData, decodeLetter, encodeLetter, withAttempts } from "./letter-form.ts";
import { LetterIndex, type LetterEntry } from "./letter-index.ts";
import { headerNames, isGone, type StoredMessage } from "./messages.ts";
import { Conflict } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import { digestToken, type Subjects } from "./subjects.ts";
import type { Change, StreamWriter } from "./writer.ts";

/** How often a dead letter that others change is read anew. */
const mostTries = 20;
/** How many are read, or removed, at one time. */
const atOnce = 16;

export type LettersOptions = {
  readonly retention: Retention["deadLetters"];
  /** Why nothing may be settled on the strength of this store; `undefined`: it may. */
  readonly doubt: () => Promise<string | undefined>;
  readonly expired: (component: string, count: number) => void;
};

/** Dead letters: one message each, the first of its parts, at a subject of its event's identity and digest. */
export class NatsLetters implements DeadLetterStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  readonly #attempts: NatsAttempts;
  readonly #options: LettersOptions;
  readonly index: LetterIndex;
  #tending: Promise<void> | undefined;
  #tendAgain = false;

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    writer: StreamWriter,
    subjects: Subjects,
    attempts: NatsAttempts,
    options: LettersOptions,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
    this.#attempts = attempts;
    this.#options = options;
    const filter = `${subjects.records}.letter.>`;
    this.index = new LetterIndex(connection, reader, filter, () => this.#tendIfFull());
  }

  async put(deadLetter: DeadLetter, fingerprint: string): Promise<string> {
    const doubt = await this.#options.doubt();
    if (doubt !== undefined) throw new BindingError("unavailable", doubt, { effect: "unsent" });
    // What is too much is known by it.
    this.index.start();
    const { id, component, identity, failed, reason } = deadLetter;
    const subject = this.#subjects.letter(component, identity, fingerprint);
    const count = { identity, fingerprint, begun: failed, lastError: reason };
    const attempt = this.#attempts.change(component, { ...count, deadLettered: true });
    let letter: StoredDeadLetter = { ...deadLetter, fingerprint };
    let place: Place = { expected: 0 };
    for (let tries = 1; tries <= mostTries; tries++) {
      try {
        const change = changeOf(subject, letter, place);
        const { sequences } = await this.#writer.write(component, [change, attempt]);
        this.index.wrote(sequences[0] ?? 0);
        return letter.id;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      const there = await this.#find(subject);
      place = there.place;
      letter = { ...deadLetter, fingerprint };
      if (there.letter === undefined) continue;
      checkSame(there.letter, component, identity, fingerprint);
      // It is there already, as it is when this was asked before and nobody heard the answer; or nothing came since.
      if (there.letter.id === id || deadLetter.attempts.length === 0) {
        await this.#writer.write(component, [attempt]);
        return there.letter.id;
      }
      letter = withAttempts(there.letter, deadLetter);
    }
    throw changesTooFast();
  }

  async import(letter: StoredDeadLetter): Promise<ImportOutcome> {
    const { id, component, identity, fingerprint, failed, reason } = letter;
    await this.index.fresh();
    if (this.index.get(id) !== undefined) return "present";
    const subject = this.#subjects.letter(component, identity, fingerprint);
    const { age, count, bytes } = this.#options.retention;
    const record = { identity, fingerprint, begun: failed, lastError: reason, deadLettered: true };
    for (let tries = 1; tries <= mostTries; tries++) {
      const there = await this.#reader.last(subject);
      if (there !== undefined && !isGone(there)) return "present";
      if (letter.storedAt < Date.now() - age) return "expired";
      const change = changeOf(subject, letter, { expected: there?.sequence ?? 0 });
      const isFull = this.index.count + 1 > count || this.index.bytes + change.size > bytes;
      if (isFull && this.index.count > 0) return "full";
      // Should the event come again after the dead letter went, it is meant to.
      const known = await this.#attempts.find(component, identity);
      const counted =
        known.count === undefined
          ? [this.#attempts.change(component, { ...record, told: true }, known.sequence)]
          : [];
      try {
        const lane = `import ${component}`;
        const { sequences } = await this.#writer.writeUnfenced(lane, [change, ...counted]);
        this.index.wrote(sequences[0] ?? 0);
        return "imported";
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
    throw changesTooFast();
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    const entry = await this.#entry(id);
    if (entry === undefined) return undefined;
    const found = await this.#reader.whole(entry.subject);
    const letter = found && decodeLetter(found.body);
    return letter?.id === id ? letter : undefined;
  }

  async list(
    filter: DeadLetterFilter,
    page: {
      readonly limit: number;
      readonly after?: string | undefined;
      readonly maxData?: number;
    },
  ): Promise<ListedDeadLetter[]> {
    await this.index.fresh();
    const { limit, after, maxData = Number.POSITIVE_INFINITY } = page;
    const listed: ListedDeadLetter[] = [];
    const wanted = this.#wanted(filter, after);
    while (listed.length < limit) {
      // No more are read at one time than may be told.
      const entries = [...take(wanted, Math.min(atOnce, limit - listed.length))];
      if (entries.length === 0) break;
      const read = await Promise.all(entries.map((entry) => this.#listed(entry, maxData)));
      for (const letter of read)
        if (letter !== undefined && isMeant(letter, filter)) listed.push(letter);
    }
    return listed;
  }

  async replace(deadLetter: DeadLetter): Promise<boolean> {
    const entry = await this.#entry(deadLetter.id);
    if (entry === undefined) return false;
    for (let tries = 1; tries <= mostTries; tries++) {
      const { letter, place } = await this.#find(entry.subject);
      if (letter?.id !== deadLetter.id) return false;
      const { component, identity, fingerprint } = letter;
      const changed = { ...deadLetter, component, identity, fingerprint };
      try {
        const change = changeOf(entry.subject, changed, place);
        const { sequences } = await this.#writer.writeUnfenced(`edit ${component}`, [change]);
        this.index.wrote(sequences[0] ?? 0);
        return true;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
    throw changesTooFast();
  }

  async remove(ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    // A source that was told a moment ago will not deliver the event again: its count goes, too.
    await this.#attempts.toldAll();
    await this.index.fresh();
    let removed = 0;
    for (let at = 0; at < ids.length; at += atOnce) {
      const some = await Promise.all(
        ids.slice(at, at + atOnce).map(async (id) => {
          const entry = await this.#entry(id);
          return entry !== undefined && this.#remove(entry, true);
        }),
      );
      removed += some.filter(Boolean).length;
    }
    return removed;
  }

  async totals(): Promise<DeadLetterTotal[]> {
    await this.index.fresh();
    return this.index.totals();
  }

  /** Removes what is too old; then, oldest first, what is too much, but never the last one. */
  async tend(): Promise<void> {
    this.#tendAgain = true;
    this.#tending ??= (async () => {
      while (this.#tendAgain) {
        this.#tendAgain = false;
        await this.#expire();
      }
    })().finally(() => (this.#tending = undefined));
    await this.#tending;
  }

  close(): void {
    this.index.close();
  }

  get #isFull(): boolean {
    const { count, bytes } = this.#options.retention;
    return this.index.count > 1 && (this.index.count > count || this.index.bytes > bytes);
  }

  #tendIfFull(): void {
    if (this.#isFull) this.tend().catch(() => undefined);
  }

  async #expire(): Promise<void> {
    if (!this.index.isCurrent) return;
    const expired = new Map<string, number>();
    const go = async (entry: LetterEntry): Promise<void> => {
      if (!(await this.#remove(entry, false))) return;
      expired.set(entry.component, (expired.get(entry.component) ?? 0) + 1);
    };
    const oldest = Date.now() - this.#options.retention.age;
    let { count, bytes } = this.index;
    const { count: most, bytes: mostBytes } = this.#options.retention;
    const going: LetterEntry[] = [];
    for (const entry of this.index.after(undefined)) {
      const isTooMuch = count > 1 && (count > most || bytes > mostBytes);
      if (entry.storedAt >= oldest && !isTooMuch) continue;
      going.push(entry);
      count--;
      bytes -= entry.bytes;
    }
    for (let at = 0; at < going.length; at += atOnce)
      await Promise.all(going.slice(at, at + atOnce).map(go));
    for (const [component, gone] of expired) this.#options.expired(component, gone);
    if (going.length > 0) await this.index.fresh();
  }

  /** What is known of it; one that another replica has just written is waited for. */
  async #entry(id: string): Promise<LetterEntry | undefined> {
    await this.index.fresh();
    const entry = this.index.get(id);
    if (entry !== undefined) return entry;
    await this.index.fresh(true);
    return this.index.get(id);
  }

  /** Removes it, and the attempt count of its event if its source was told. False: it was not there. */
  async #remove(entry: LetterEntry, withAttempt: boolean): Promise<boolean> {
    const { subject, component, id } = entry;
    let { sequence, parts } = entry;
    for (let tries = 1; tries <= mostTries; tries++) {
      const changes: Change[] = [
        { subject, body: undefined, expected: sequence, partsBefore: parts },
      ];
      if (withAttempt) changes.push(...(await this.#forgotten(entry)));
      try {
        const { sequences } = await this.#writer.writeUnfenced(`remove ${component}`, changes);
        this.index.wrote(sequences[0] ?? 0);
        return true;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      const there = await this.#find(subject);
      if (there.letter?.id !== id) return false;
      sequence = there.place.expected;
      parts = there.place.partsBefore ?? 0;
    }
    throw changesTooFast();
  }

  /**
   * Forgets the count of this very event, not of another that has its identity now; nor of one whose source may not have
   * been told, and so deliver it again.
   */
  async #forgotten({ component, attempt, print }: LetterEntry): Promise<Change[]> {
    const found = await this.#attempts.findBy(component, attempt);
    const { count, sequence, subject } = found;
    if (count === undefined || digestToken(count.fingerprint) !== print) return [];
    if (count.deadLettered && !count.told) return [];
    return [{ subject, body: undefined, expected: sequence }];
  }

  async #find(subject: string): Promise<{ letter: StoredDeadLetter | undefined; place: Place }> {
    const last = await this.#reader.last(subject);
    if (last === undefined || isGone(last))
      return { letter: undefined, place: { expected: last?.sequence ?? 0 } };
    const found = await this.#reader.whole(subject);
    if (found === undefined) return this.#find(subject);
    const { message, body } = found;
    return {
      letter: decodeLetter(body),
      place: { expected: message.sequence, partsBefore: partsOf(message) },
    };
  }

  *#wanted(filter: DeadLetterFilter, after: string | undefined): Generator<LetterEntry> {
    const { ids, component, eventId, since, before } = filter;
    const event = eventId === undefined ? undefined : digestToken(eventId);
    const few = ids && new Set(ids);
    for (const entry of this.index.after(after)) {
      if (few !== undefined && !few.has(entry.id)) continue;
      if (component !== undefined && entry.component !== component) continue;
      if (event !== undefined && entry.event !== event) continue;
      if (since !== undefined && entry.storedAt < since) continue;
      if (before !== undefined && entry.storedAt >= before) continue;
      yield entry;
    }
  }

  /** As a list has it; `undefined`: it has gone meanwhile. */
  async #listed(entry: LetterEntry, maxData: number): Promise<ListedDeadLetter | undefined> {
    const message = await this.#reader.present(entry.subject);
    if (message === undefined) return undefined;
    const before = bytesBeforeData(message.body);
    // The payload's end may lie in parts that are not read for it.
    const isWhole = before !== undefined && entry.size > maxData;
    const body = isWhole ? message.body : (await this.#reader.whole(entry.subject))?.body;
    if (body === undefined) return undefined;
    const withData = entry.size <= maxData;
    const letter = decodeLetter(body, withData);
    if (letter.id !== entry.id) return undefined;
    return { ...letter, size: letter.event.data?.length ?? entry.size };
  }
}

/** Where a dead letter's message is put. */
type Place = { readonly expected: number; readonly partsBefore?: number };

function changeOf(
  subject: string,
  letter: StoredDeadLetter,
  place: Place,
): Change & { size: number } {
  const { body, about, size } = encodeLetter(letter);
  return { subject, body, about, size, ...place };
}

function partsOf({ headers }: StoredMessage): number {
  return Number(headers.get(headerNames.parts) ?? 0);
}

/** Nobody has ever seen two texts of one digest. */
function checkSame(
  there: StoredDeadLetter,
  component: string,
  identity: string,
  fingerprint: string,
): void {
  if (
    there.component === component &&
    there.identity === identity &&
    there.fingerprint === fingerprint
  )
    return;
  throw new BindingError(
    "data_loss",
    `two events of ${component} have the same place in the store`,
  );
}

/** What the index does not know of. */
function isMeant({ reason }: StoredDeadLetter, filter: DeadLetterFilter): boolean {
  return filter.reason === undefined || reason.toLowerCase().includes(filter.reason.toLowerCase());
}

function* take<Value>(values: Generator<Value>, count: number): Generator<Value> {
  for (let taken = 0; taken < count; taken++) {
    const next = values.next();
    if (next.done === true) return;
    yield next.value;
  }
}

function changesTooFast(): BindingError {
  return new BindingError(
    "unavailable",
    "a dead letter changes faster than it can be written; try again",
    { effect: "unsent" },
  );
}
