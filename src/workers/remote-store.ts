import { ProcessLeases } from "../store/process/process-leases.ts";
import { ProcessReplicas } from "../store/process/process-replicas.ts";
import type { HistoryStore, Store } from "../store/store.ts";

/** What is kept by component, event or key, each with its methods. */
type Parts = Pick<Store, "deadLetters" | "attempts" | "claims" | "pauses" | "checkpoints">;

/** A call of a method of the store. */
export type StoreCall = {
  readonly part: keyof Parts;
  readonly method: string;
  readonly args: readonly unknown[];
};

type Ask = (call: StoreCall) => Promise<unknown>;
type Tell = (call: StoreCall) => void;

/**
 * The store of the process, as a worker has it. The parent writes history itself, and speaks for the process where replicas
 * share a store: in a worker no input is owned by lease, as only one worker reads it.
 */
export function remoteStore(ask: Ask, tell: Tell): Store {
  const part = <Part extends keyof Parts>(
    name: Part,
    asked: readonly (keyof Parts[Part] & string)[],
    told: readonly (keyof Parts[Part] & string)[] = [],
  ): Parts[Part] =>
    Object.fromEntries([
      ...asked.map((method) => [method, (...args: unknown[]) => ask({ part: name, method, args })]),
      ...told.map((method) => [method, (...args: unknown[]) => tell({ part: name, method, args })]),
    ]) as Parts[Part];
  return {
    deadLetters: part("deadLetters", [
      ...(["put", "import", "get", "list", "replace", "remove", "totals"] as const),
    ]),
    attempts: {
      ...part("attempts", ["load", "begin"], ["told"]),
      forget: (component, identities) =>
        tell({ part: "attempts", method: "forget", args: [component, [...identities]] }),
    },
    claims: part("claims", ["claim", "complete", "release"]),
    pauses: { ...part("pauses", ["load", "put", "remove"]), watch: () => () => {} },
    checkpoints: part("checkpoints", ["load", "put"]),
    history: noHistory,
    leases: new ProcessLeases(),
    replicas: new ProcessReplicas(),
    shared: false,
    trouble: undefined,
    async close() {},
  };
}

/** Makes a worker's call of the process's store. */
export function callStore(store: Parts, { part, method, args }: StoreCall): unknown {
  const methods = store[part] as unknown as Record<string, (...args: unknown[]) => unknown>;
  return methods[method]?.(...args);
}

const noHistory: HistoryStore = {
  async append() {},
  find: async () => [],
  ofDeadLetter: async () => [],
  list: async () => ({ records: [], below: undefined }),
};
