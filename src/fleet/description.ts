import { clock } from "../clock.ts";
import type { Owner } from "../runtime/ownership.ts";
import type { ReplicaComponent, ReplicaRecord, ReplicaStore } from "../store/replicas.ts";

/** A component over all replicas. */
export type FleetComponent = {
  readonly name: string;
  readonly type: string;
  /** The replica that alone reads it; `undefined`: every replica does, or none does now. */
  readonly owner: string | undefined;
  /** Since when, by the store's clock, in milliseconds since 1970. */
  readonly since: number | undefined;
  readonly replicas: number;
  /** Of those, how many are running. */
  readonly running: number;
  readonly inFlight: number;
  /** `undefined`: nobody can tell. */
  readonly backlog: number | undefined;
  readonly deadLetters: number;
};

/** The replicas of an app, as all of them know each other. */
export type FleetDescription = {
  /** The id of the one that tells. */
  readonly replica: string;
  /** By id. */
  readonly replicas: readonly ReplicaRecord[];
  /** By name. */
  readonly components: readonly FleetComponent[];
};

export type FleetObserverOptions = {
  readonly replica: string;
  readonly replicas: Pick<ReplicaStore, "list">;
  readonly owners: () => readonly Owner[];
  /** Dead letters by component. */
  readonly deadLetters: () => Promise<readonly { component: string; count: number }[]>;
};

/** How long what was read counts for those who ask after, in milliseconds. */
const maxAge = 1_000;

/** Tells of the fleet whoever asks, and reads the store once for all who ask at one time. */
export class FleetObserver {
  readonly #options: FleetObserverOptions;
  #last: { readonly at: number; readonly answer: Promise<FleetDescription> } | undefined;

  constructor(options: FleetObserverOptions) {
    this.#options = options;
  }

  /** Rejects with a `BindingError` where the store cannot be read. */
  describe(): Promise<FleetDescription> {
    const last = this.#last;
    if (last !== undefined && clock.elapsed() - last.at < maxAge) return last.answer;
    const answer = this.#read();
    this.#last = { at: clock.elapsed(), answer };
    answer.catch(() => (this.#last = undefined));
    return answer;
  }

  /** Whether this replica alone reads a component; `undefined`: nobody does alone. */
  owns(component: string): { readonly owns: boolean; readonly since: number } | undefined {
    const owner = this.#options.owners().find((one) => one.component === component);
    return owner && { owns: owner.replica === this.#options.replica, since: owner.since };
  }

  async #read(): Promise<FleetDescription> {
    const { replica, replicas, owners, deadLetters } = this.#options;
    const [records, totals] = await Promise.all([replicas.list(), deadLetters()]);
    const counts = new Map(totals.map(({ component, count }) => [component, count]));
    return { replica, replicas: records, components: overAll(records, owners(), counts) };
  }
}

/** What replicas say of their components, put together. */
export function overAll(
  records: readonly ReplicaRecord[],
  owners: readonly Owner[],
  deadLetters: ReadonlyMap<string, number>,
): FleetComponent[] {
  const all = Map.groupBy(
    records.flatMap(({ components }) => components),
    ({ name }) => name,
  );
  const owned = new Map(owners.map((owner) => [owner.component, owner]));
  const described = [...all].map(([name, parts]): FleetComponent => {
    const owner = owned.get(name);
    return {
      ...{ name, type: parts[0]?.type ?? "", owner: owner?.replica, since: owner?.since },
      replicas: parts.length,
      running: parts.filter(({ state }) => state === "running").length,
      inFlight: parts.reduce((sum, { inFlight }) => sum + inFlight, 0),
      backlog: backlogOf(parts),
      deadLetters: deadLetters.get(name) ?? 0,
    };
  });
  return described.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Of a source that all see whole, what the one says who has seen most. */
function backlogOf(parts: readonly ReplicaComponent[]): number | undefined {
  const known = parts.flatMap(({ backlog }) => backlog ?? []);
  if (known.length === 0) return undefined;
  const addsUp = parts.some(({ backlogIsPart }) => backlogIsPart === true);
  return addsUp ? known.reduce((sum, one) => sum + one, 0) : Math.max(...known);
}
