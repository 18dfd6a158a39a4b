import { BindingError } from "../../src/errors.ts";
import type {
  AttemptCount,
  Claim,
  DeadLetter,
  DeadLetterFilter,
  HistoryRecord,
  StoredCheckpoint,
  StoredPause,
} from "../../src/store/records.ts";
import { ProcessLeases } from "../../src/store/process/process-leases.ts";
import { ProcessReplicas } from "../../src/store/process/process-replicas.ts";
import { watchedPauses } from "../../src/store/process/watched-pauses.ts";
import type { Store } from "../../src/store/store.ts";

type Kept = { deadLetter: DeadLetter; fingerprint: string };

/** A store in memory, which can be made to fail, to hang, and to be taken over by a next process. */
export class MemoryStore implements Store {
  readonly stored = new Map<string, Kept>();
  readonly counts = new Map<string, AttemptCount>();
  readonly records: HistoryRecord[] = [];
  readonly claimed = new Map<string, { process: number; since: number; done: boolean }>();
  readonly paused = new Map<string, StoredPause>();
  /** By component and partition, as `orders/0`. */
  readonly kept = new Map<string, StoredCheckpoint>();
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

  readonly checkpoints: Store["checkpoints"] = {
    load: async (component, partition) => this.kept.get(`${component}/${partition}`),
    put: async (component, partition, checkpoint) => {
      await this.#write(`checkpoint ${checkpoint.position}`);
      this.kept.set(`${component}/${partition}`, checkpoint);
    },
  };

  readonly deadLetters: Store["deadLetters"] = {
    put: async (deadLetter, fingerprint) => {
      await this.#write(`put ${deadLetter.event.id ?? ""}`);
      const same = [...this.stored.values()].find(
        (kept) =>
          kept.deadLetter.component === deadLetter.component &&
          kept.deadLetter.identity === deadLetter.identity &&
          kept.fingerprint === fingerprint,
      );
      const id = same?.deadLetter.id ?? deadLetter.id;
      this.stored.set(id, { deadLetter: { ...deadLetter, id }, fingerprint });
      const { component, identity, failed, reason } = deadLetter;
      this.counts.set(`${component} ${identity}`, {
        ...{ identity, fingerprint, begun: failed, lastError: reason, deadLettered: true },
      });
      this.afterPut();
      return id;
    },
    import: async ({ fingerprint, ...deadLetter }) => {
      await this.#write(`import ${deadLetter.event.id ?? ""}`);
      if (this.stored.has(deadLetter.id)) return "present";
      this.stored.set(deadLetter.id, { deadLetter, fingerprint });
      return "imported";
    },
    get: async (id) => {
      const kept = this.stored.get(id);
      return kept && { ...kept.deadLetter, fingerprint: kept.fingerprint };
    },
    list: async (filter, { limit, after }) =>
      [...this.stored.values()]
        .map(({ deadLetter, fingerprint }) => ({
          ...{ ...deadLetter, fingerprint, size: deadLetter.event.data?.length ?? 0 },
        }))
        .filter(
          (deadLetter) =>
            matches(deadLetter, filter) && (after === undefined || deadLetter.id > after),
        )
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
        .map((deadLetter) => ({ ...deadLetter, size: deadLetter.event.data?.length ?? 0 })),
    replace: async (deadLetter) => {
      await this.#write(`replace ${deadLetter.event.id ?? ""}`);
      const kept = this.stored.get(deadLetter.id);
      if (kept === undefined) return false;
      this.stored.set(deadLetter.id, { ...kept, deadLetter });
      return true;
    },
    remove: async (ids) => {
      await this.#write("remove");
      let removed = 0;
      for (const id of ids) {
        const kept = this.stored.get(id);
        if (kept === undefined) continue;
        this.stored.delete(id);
        const count = `${kept.deadLetter.component} ${kept.deadLetter.identity}`;
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
      for (const { deadLetter } of this.stored.values()) {
        const { component, storedAt } = deadLetter;
        const bytes = deadLetter.event.data?.length ?? 0;
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
    ofDeadLetter: async (id) =>
      this.records.filter(({ deadLetter }) => deadLetter === id).toReversed(),
    list: async ({ component, ends, endedBefore, below, limit }) => {
      const found = this.records
        .map((record, number) => ({ record, number }))
        .filter(({ record, number }) => number < below && record.endedAt < endedBefore)
        .filter(({ record }) => component === undefined || record.component === component)
        .filter(({ record }) => ends.length === 0 || ends.includes(record.end))
        .toReversed();
      const page = found.slice(0, limit);
      const more = found.length > limit;
      return {
        records: page.map(({ record }) => record),
        below: more ? (page.at(-1)?.number ?? below) : undefined,
      };
    },
  };

  readonly leases = new ProcessLeases();
  readonly replicas = new ProcessReplicas();
  /** Whether it says that replicas share it. */
  shared = false;

  readonly pauses: Store["pauses"] = watchedPauses({
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
  });

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

/** Whether a filter means the dead letter. */
export function matches(deadLetter: DeadLetter, filter: DeadLetterFilter): boolean {
  const { ids, component, reason, eventId, since, before } = filter;
  return (
    (ids === undefined || ids.includes(deadLetter.id)) &&
    (component === undefined || deadLetter.component === component) &&
    (reason === undefined || deadLetter.reason.toLowerCase().includes(reason.toLowerCase())) &&
    (eventId === undefined || deadLetter.event.id === eventId) &&
    (since === undefined || deadLetter.storedAt >= since) &&
    (before === undefined || deadLetter.storedAt < before)
  );
}
