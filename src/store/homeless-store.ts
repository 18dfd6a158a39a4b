import { BindingError } from "../errors.ts";
import { ProcessLeases } from "./process/process-leases.ts";
import { ProcessReplicas } from "./process/process-replicas.ts";
import type { CheckedStore, StoreLogger } from "./store.ts";

/** Nothing can be kept, which whoever tries is told. */
export function createHomelessStore(logger: StoreLogger | undefined): CheckedStore {
  const trouble =
    "there is no place for durable records: neither XDG_STATE_HOME nor HOME is set; say --state-dir FOLDER";
  const refuse = (): Promise<never> =>
    Promise.reject(new BindingError("unavailable", trouble, { effect: "unsent" }));
  return {
    deadLetters: {
      put: refuse,
      import: refuse,
      get: async () => undefined,
      list: async () => [],
      replace: refuse,
      remove: refuse,
      totals: async () => [],
    },
    attempts: { load: async () => [], begin: refuse, forget: () => {}, told: () => {} },
    history: {
      append: refuse,
      find: async () => [],
      ofDeadLetter: async () => [],
      list: async () => ({ records: [], below: undefined }),
    },
    claims: { claim: refuse, complete: refuse, release: refuse },
    pauses: {
      load: async () => undefined,
      put: refuse,
      remove: async () => {},
      watch: () => () => {},
    },
    checkpoints: { load: async () => undefined, put: refuse },
    leases: new ProcessLeases(),
    replicas: new ProcessReplicas(),
    shared: false,
    trouble,
    look: async () => logger?.error({}, trouble),
    close: async () => {},
  };
}
