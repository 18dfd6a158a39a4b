import { BindingError } from "../../src/errors.ts";
import type {
  AttemptCount,
  Claim,
  DeadLetter,
  DeadLetterFilter,
  HistoryRecord,
  StoredPause,
} from "../../src/store/records.ts";
import type { Store } from "../../src/store/store.ts";

type Kept = { letter: DeadLetter; fingerprint: string };

/** A store in memory, which can be made to fail, to hang, and to be taken over by a next process. */
export class MemoryStore implements Store {
  readonly letters = new Map<string, Kept>();
  readonly counts = new Map<string, AttemptCount>();
  readonly records: HistoryRecord[] = [];
  readonly claimed = new Map<string, { process: number; since: number; done: boolean }>();
  readonly paused = new Map<string, StoredPause>();
  /** What was asked of it, in order: `put a1`, `begin a1 2`. */
  readonly log: string[] = [];
  trouble: string | undefined;
  /** Writes wait for this. */
  gate: Promise<void> = Promise.resolve();
  /** Called once a dead letter is kept. */
  afterPut: () => void = () => undefined;
  #process = 1;

  /** Only what is durable is there afterwards, which is all of it; claims are those of an earlier process. */
  restart(): void {
    this.#process++;
  }

  readonly deadLetters: Store["deadLetters"] = {
    put: async (letter, fingerprint) => {
      await this.#write(`put ${letter.event.id ?? ""}`);
      const same = [...this.letters.values()].find(
        (kept) =>
          kept.letter.component === letter.component &&
          kept.letter.identity === letter.identity &&
          kept.fingerprint === fingerprint,
      );
      const id = same?.letter.id ?? letter.id;
      this.letters.set(id, { letter: { ...letter, id }, fingerprint });
      const { component, identity, failed, reason } = letter;
      this.counts.set(`${component} ${identity}`, {
        ...{ identity, fingerprint, begun: failed, lastError: reason, deadLettered: true },
      });
      this.afterPut();
      return id;
    },
    get: async (id) => this.letters.get(id)?.letter,
    list: async (filter, { limit, after }) =>
      [...this.letters.values()]
        .map(({ letter }) => ({ ...letter, size: letter.event.data?.length ?? 0 }))
        .filter((letter) => matches(letter, filter) && (after === undefined || letter.id > after))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
        .map((letter) => ({ ...letter, size: letter.event.data?.length ?? 0 })),
    replace: async (letter) => {
      await this.#write(`replace ${letter.event.id ?? ""}`);
      const kept = this.letters.get(letter.id);
      if (kept === undefined) return false;
      this.letters.set(letter.id, { ...kept, letter });
      return true;
    },
    remove: async (ids) => {
      await this.#write("remove");
      let removed = 0;
      for (const id of ids) {
        const kept = this.letters.get(id);
        if (kept === undefined) continue;
        this.letters.delete(id);
        const count = `${kept.letter.component} ${kept.letter.identity}`;
        const { deadLettered, told } = this.counts.get(count) ?? {};
        if (told || !deadLettered) this.counts.delete(count);
        removed++;
      }
      return removed;
    },
    totals: async () => {
      const totals = new Map<
        string,
        { component: string; count: number; bytes: number; oldest: number }
      >();
      for (const { letter } of this.letters.values()) {
        const { component, storedAt } = letter;
        const bytes = letter.event.data?.length ?? 0;
        const total = totals.get(component) ?? { component, count: 0, bytes: 0, oldest: storedAt };
        totals.set(component, {
          component,
          count: total.count + 1,
          bytes: total.bytes + bytes,
          oldest: Math.min(total.oldest, storedAt),
        });
      }
      return [...totals.values()];
    },
  };

  readonly attempts: Store["attempts"] = {
    load: async (component) => {
      this.#fail();
      return [...this.counts]
        .filter(([key]) => key.startsWith(`${component} `))
        .map(([, count]) => count);
    },
    begin: async (component, count) => {
      await this.#write(`begin ${count.identity} ${count.begun}`);
      this.counts.set(`${component} ${count.identity}`, count);
    },
    forget: (component, identities) => {
      for (const identity of identities) {
        this.log.push(`forget ${identity}`);
        this.counts.delete(`${component} ${identity}`);
      }
    },
    told: (component, identity) => {
      const count = this.counts.get(`${component} ${identity}`);
      if (count !== undefined)
        this.counts.set(`${component} ${identity}`, { ...count, told: true });
    },
  };

  readonly history: Store["history"] = {
    append: async (records) => {
      this.#fail();
      this.records.push(...records);
    },
    find: async (idOrTrace, component) =>
      this.records
        .filter((one) => one.eventId === idOrTrace || one.traceId === idOrTrace)
        .filter((one) => component === undefined || one.component === component)
        .toReversed()
        .slice(0, 100),
  };

  readonly pauses: Store["pauses"] = {
    load: async (component) => {
      this.#fail();
      return this.paused.get(component);
    },
    put: async (component, pause) => {
      await this.#write(`pause ${component}`);
      this.paused.set(component, pause);
    },
    remove: async (component) => {
      await this.#write(`resume ${component}`);
      this.paused.delete(component);
    },
  };

  readonly claims: Store["claims"] = {
    claim: async (scope, key): Promise<Claim> => {
      await this.#write(`claim ${key}`);
      const known = this.claimed.get(`${scope} ${key}`);
      if (known?.done) return { state: "done", result: undefined, fingerprint: "" };
      const { since = Date.now() } = known ?? {};
      if (known !== undefined)
        return { state: "busy", since, ours: known.process === this.#process, fingerprint: "" };
      this.claimed.set(`${scope} ${key}`, { process: this.#process, since, done: false });
      return { state: "claimed" };
    },
    complete: async (scope, key) => {
      await this.#write(`complete ${key}`);
      this.claimed.set(`${scope} ${key}`, {
        process: this.#process,
        since: Date.now(),
        done: true,
      });
    },
    release: async (scope, key) => {
      await this.#write(`release ${key}`);
      this.claimed.delete(`${scope} ${key}`);
    },
  };

  async close(): Promise<void> {}

  async #write(what: string): Promise<void> {
    await this.gate;
    this.#fail();
    this.log.push(what);
  }

  #fail(): void {
    if (this.trouble !== undefined) throw new BindingError("unavailable", this.trouble);
  }
}

/** Whether a filter means the letter. */
export function matches(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  const { ids, component, reason, eventId, since, before } = filter;
  return (
    (ids === undefined || ids.includes(letter.id)) &&
    (component === undefined || letter.component === component) &&
    (reason === undefined || letter.reason.toLowerCase().includes(reason.toLowerCase())) &&
    (eventId === undefined || letter.event.id === eventId) &&
    (since === undefined || letter.storedAt >= since) &&
    (before === undefined || letter.storedAt < before)
  );
}
