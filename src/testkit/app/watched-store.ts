import type { HistoryRecord } from "../../store/records.ts";
import type { HistoryStore, Store } from "../../store/store.ts";
import type { Activity } from "./activity.ts";

const mostFound = 100;

/**
 * The store, each question to which is known to be under way. The history is kept here: every kit has one, and would need
 * the store's thread for that alone.
 */
export function watchedStore(store: Store, activity: Activity | undefined): Store {
  const watched = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          const result: unknown = Reflect.apply(value, target, args);
          if (result instanceof Promise)
            activity?.begin("kit", () => result).catch(() => undefined);
          return result;
        };
      },
    });
  return {
    deadLetters: watched(store.deadLetters),
    attempts: watched(store.attempts),
    history: historyInMemory(),
    claims: watched(store.claims),
    pauses: watched(store.pauses),
    checkpoints: watched(store.checkpoints),
    leases: watched(store.leases),
    replicas: watched(store.replicas),
    shared: store.shared,
    get trouble() {
      return store.trouble;
    },
    close: () => store.close(),
  };
}

function historyInMemory(): HistoryStore {
  const kept: HistoryRecord[] = [];
  return {
    async append(records) {
      kept.push(...records);
    },
    find: async (idOrTrace, component) =>
      kept
        .filter((one) => one.eventId === idOrTrace || one.traceId === idOrTrace)
        .filter((one) => component === undefined || one.component === component)
        .toReversed()
        .slice(0, mostFound),
    ofDeadLetter: async (id) => kept.filter(({ deadLetter }) => deadLetter === id).toReversed(),
    async list({ component, ends, endedBefore, below, limit }) {
      const found = kept
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
}
