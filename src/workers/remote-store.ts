import { ProcessLeases } from "../store/process/process-leases.ts";
import { ProcessReplicas } from "../store/process/process-replicas.ts";
import type { AttemptCount } from "../store/records.ts";
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

type Follower = (count: AttemptCount | undefined) => void;

/** What other workers note of attempts at events of components that all of them read. */
export class AttemptsElsewhere {
  readonly #followers = new Map<string, Follower>();

  follow(component: string, follower: Follower): void {
    this.#followers.set(component, follower);
  }

  noted(component: string, count: AttemptCount | undefined): void {
    this.#followers.get(component)?.(count);
  }
}

/**
 * The store of the process, as a worker has it. The parent writes history itself, and speaks for the process where replicas
 * share a store: in a worker no input is owned by lease.
 */
export function remoteStore(ask: Ask, tell: Tell, elsewhere: AttemptsElsewhere): Store {
  // Every method is named, so that none of the contract can be left out.
  const part = <Part extends keyof Parts>(
    name: Part,
    methods: Readonly<Record<keyof Parts[Part] & string, "asked" | "told">>,
  ): Parts[Part] =>
    Object.fromEntries(
      Object.entries(methods).map(([method, how]) => [
        method,
        (...args: unknown[]) => (how === "asked" ? ask : tell)({ part: name, method, args }),
      ]),
    ) as Parts[Part];
  const asked = "asked";
  return {
    deadLetters: part("deadLetters", {
      ...{ put: asked, import: asked, get: asked, list: asked },
      ...{ replace: asked, remove: asked, totals: asked },
    }),
    attempts: {
      ...part("attempts", {
        ...{ load: asked, begin: asked, forget: "told", told: "told", follow: "told" },
      }),
      follow: (component, listener) => elsewhere.follow(component, listener),
      forget: (component, identities) =>
        tell({ part: "attempts", method: "forget", args: [component, [...identities]] }),
    },
    claims: part("claims", { claim: asked, complete: asked, release: asked, renew: asked }),
    // Whoever else pauses an input shares the store, and with others of those there are no workers.
    pauses: {
      ...part("pauses", { load: asked, put: asked, remove: asked, watch: "told" }),
      watch: () => () => {},
    },
    checkpoints: part("checkpoints", { load: asked, put: asked }),
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
