import { ProcessLeases } from "../store/process/process-leases.ts";
import { ProcessReplicas } from "../store/process/process-replicas.ts";
import type { AttemptCount, DeadLetter, StoredPause } from "../store/records.ts";
import type { HistoryStore, PauseStore, Store } from "../store/store.ts";

/** What is kept by component, event or key, each with its methods. */
type Parts = Pick<Store, "deadLetters" | "attempts" | "claims" | "pauses" | "checkpoints">;

/** A call of a method of the store. */
export type StoreCall = {
  readonly part: keyof Parts;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Of the lease by which the worker makes a call about a component; absent: by none. */
  readonly epoch?: number | undefined;
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

type PauseFollower = Parameters<PauseStore["watch"]>[0];

/** What other replicas do about pauses, as the parent tells it. */
export class PausesElsewhere {
  readonly #followers = new Set<PauseFollower>();

  follow(follower: PauseFollower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  noted(component: string, pause: StoredPause | undefined): void {
    for (const follower of this.#followers) follower(component, pause);
  }
}

export type RemoteStoreOptions = {
  readonly ask: Ask;
  readonly tell: Tell;
  /** See `Store`. */
  readonly shared: boolean;
  /** The epoch of the lease of a component that this worker reads by one. */
  readonly epochOf: (component: string) => number | undefined;
  readonly attempts: AttemptsElsewhere;
  readonly pauses: PausesElsewhere;
};

/**
 * The store of the process, as a worker has it. The parent writes history itself, and speaks for the process where replicas
 * share a store: it keeps the leases, and announces the replica.
 */
export function remoteStore(options: RemoteStoreOptions): Store {
  const { tell, shared } = options;
  const ask: Ask = (call) =>
    options.ask({ ...call, epoch: options.epochOf(aboutComponent(call) ?? "") });
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
      follow: (component, listener) => options.attempts.follow(component, listener),
      forget: (component, identities) =>
        tell({ part: "attempts", method: "forget", args: [component, [...identities]] }),
    },
    claims: part("claims", { claim: asked, complete: asked, release: asked, renew: asked }),
    pauses: {
      ...part("pauses", { load: asked, put: asked, remove: asked, watch: "told" }),
      watch: (changed) => options.pauses.follow(changed),
    },
    checkpoints: part("checkpoints", { load: asked, put: asked }),
    history: noHistory,
    leases: new ProcessLeases(),
    replicas: new ProcessReplicas(),
    shared,
    trouble: undefined,
    async close() {},
  };
}

/** The component whose lease a call needs, where it has one; `undefined`: it needs none. */
export function aboutComponent({ part, method, args }: StoreCall): string | undefined {
  const [first] = args;
  if (part === "attempts" || part === "checkpoints") return String(first);
  return part === "deadLetters" && method === "put" ? (first as DeadLetter).component : undefined;
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
