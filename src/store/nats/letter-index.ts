import { BindingError } from "../../errors.ts";
import type { DeadLetterTotal } from "../store.ts";
import type { StoreConnection } from "./connection.ts";
import { Follower } from "./follower.ts";
import type { LetterAbout } from "./letter-form.ts";
import { headerNames, isGone, type StoredMessage } from "./messages.ts";
import type { StreamReader } from "./reader.ts";

/** What is known of a dead letter without reading it: some 500 bytes. */
export type LetterEntry = LetterAbout & {
  readonly subject: string;
  readonly sequence: number;
  /** How many parts lie beside it. */
  readonly parts: number;
};

/** How long one waits for what was written, in milliseconds. */
const patience = 10_000;
const lookPause = 250;

/** What dead letters there are, in memory, kept up to date by a consumer of their messages' headers. */
export class LetterIndex {
  readonly #connection: StoreConnection;
  readonly #reader: StreamReader;
  readonly #filter: string;
  readonly #changed: () => void;
  readonly #bySubject = new Map<string, LetterEntry>();
  readonly #byId = new Map<string, LetterEntry>();
  /** Ids in order; `undefined`: to be sorted. */
  #ids: string[] | undefined = [];
  #bytes = 0;
  readonly #seen = new Set<string>();
  #follower: Follower | undefined;
  #isCurrent = false;
  /** The newest sequence that was received. */
  #reached = 0;
  /** The newest that this process has written. */
  #written = 0;
  #waiting: (() => void)[] = [];

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    filter: string,
    /** Something was added. */
    changed: () => void,
  ) {
    this.#connection = connection;
    this.#reader = reader;
    this.#filter = filter;
    this.#changed = changed;
  }

  get count(): number {
    return this.#byId.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it has what was there at its beginning. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Begins, if it has not. */
  start(): void {
    this.#follower ??= new Follower(this.#connection, {
      ...{ stream: this.#reader.stream, filter: this.#filter, headersOnly: true },
      begin: () => {
        this.#isCurrent = false;
        this.#seen.clear();
      },
      received: (message) => this.#receive(message),
      current: () => {
        for (const subject of [...this.#bySubject.keys()])
          if (!this.#seen.has(subject)) this.#remove(subject);
        this.#isCurrent = true;
        this.#tell();
        this.#changed();
      },
    });
  }

  close(): void {
    this.#follower?.close();
    this.#follower = undefined;
    this.#tell();
  }

  /** The stream was made anew: its sequences begin again. */
  beginAnew(): void {
    this.#reached = 0;
    this.#written = 0;
  }

  /** This process has written a dead letter's message. */
  wrote(sequence: number): void {
    this.#written = Math.max(this.#written, sequence);
  }

  /**
   * Resolves once it has all that was there at its beginning and that this process has written; `all`: that anybody has.
   * Rejects with a `BindingError`.
   */
  async fresh(all = false): Promise<void> {
    // Whoever has no connection is told why.
    await this.#connection.link();
    this.start();
    const deadline = Date.now() + patience;
    for (;;) {
      const newest = await this.#newest(all);
      if (this.#isCurrent && this.#reached >= newest) return;
      if (Date.now() > deadline) {
        throw new BindingError(
          "unavailable",
          "the list of dead letters in the store on NATS is not up to date; try again",
          { effect: "unsent" },
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, lookPause);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  get(id: string): LetterEntry | undefined {
    return this.#byId.get(id);
  }

  /** By id, after this one. */
  *after(id: string | undefined): Generator<LetterEntry> {
    // Those of letters that are gone stay in it for a while.
    if ((this.#ids?.length ?? 0) > 2 * this.#byId.size + 1000) this.#ids = undefined;
    this.#ids ??= [...this.#byId.keys()].sort();
    const ids = this.#ids;
    for (let at = id === undefined ? 0 : firstAfter(ids, id); at < ids.length; at++) {
      const entry = this.#byId.get(ids[at] ?? "");
      if (entry !== undefined) yield entry;
    }
  }

  totals(): DeadLetterTotal[] {
    const totals = new Map<string, { count: number; bytes: number; oldest: number }>();
    for (const { component, bytes, storedAt } of this.#byId.values()) {
      const total = totals.get(component);
      if (total === undefined) {
        totals.set(component, { count: 1, bytes, oldest: storedAt });
        continue;
      }
      total.count++;
      total.bytes += bytes;
      total.oldest = Math.min(total.oldest, storedAt);
    }
    return [...totals]
      .map(([component, total]) => ({ component, ...total }))
      .sort((a, b) => (a.component < b.component ? -1 : 1));
  }

  /** What one message that was there is gone for may lie behind what was reached: it is asked anew. */
  async #newest(all: boolean): Promise<number> {
    if (all) return (await this.#reader.last(this.#filter))?.sequence ?? 0;
    if (this.#reached >= this.#written) return 0;
    const still = await this.#reader.at(this.#written);
    return still === undefined ? 0 : this.#written;
  }

  #receive(message: StoredMessage): void {
    const { subject, sequence, headers } = message;
    this.#seen.add(subject);
    this.#reached = sequence;
    const about = headers.get(headerNames.about);
    this.#remove(subject);
    if (!isGone(message) && about !== undefined) {
      const parts = Number(headers.get(headerNames.parts) ?? 0);
      this.#add({ ...(JSON.parse(about) as LetterAbout), subject, sequence, parts });
    }
    if (this.#isCurrent) this.#tell();
  }

  #add(entry: LetterEntry): void {
    const { id, subject, bytes } = entry;
    const last = this.#ids?.at(-1);
    if (!this.#byId.has(id)) {
      if (this.#ids !== undefined && (last === undefined || last < id)) this.#ids.push(id);
      else this.#ids = undefined;
    }
    this.#bySubject.set(subject, entry);
    this.#byId.set(id, entry);
    this.#bytes += bytes;
    if (this.#isCurrent) this.#changed();
  }

  #remove(subject: string): void {
    const entry = this.#bySubject.get(subject);
    if (entry === undefined) return;
    this.#bySubject.delete(subject);
    this.#bytes -= entry.bytes;
    // Its place in the order stays: one that was replaced is back at once.
    if (this.#byId.get(entry.id) === entry) this.#byId.delete(entry.id);
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Where the first of the sorted ids behind this one is. */
function firstAfter(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? "") <= id) low = middle + 1;
    else high = middle;
  }
  return low;
}
