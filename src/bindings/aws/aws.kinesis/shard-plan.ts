import { shardEnd } from "./lease-table.ts";
import type { Row } from "./lease-table.ts";
import { timeOf, timeText } from "./lease-time.ts";
import type { Shard } from "./stream.ts";

/** What a reader's worker is called in the lease table begins so. */
export const workerPrefix = "cufflink-";
/** How long the library leaves a shard to who has claimed it, in milliseconds after the lease. */
const libraryClaim = 120_000;

/** What is known when shards are to be shared. */
export type Known = {
  readonly shards: readonly Shard[];
  readonly rows: ReadonlyMap<string, Row>;
  readonly initial: "newest" | "oldest";
};

/** Which shards a reader takes and which one it asks another for. */
export type Plan = {
  readonly take: readonly Row[];
  readonly claim: Row | undefined;
  /** Asked for already, and not there yet. */
  readonly isWaiting: boolean;
};

/** Shards by what they are to a consumer: who descends from whom, what has ended. */
export class Lineage {
  readonly #known: Known;
  readonly #shards: ReadonlyMap<string, Shard>;
  readonly #begun = new Map<string, boolean>();

  constructor(known: Known) {
    this.#known = known;
    this.#shards = new Map(known.shards.map((shard) => [shard.id, shard]));
  }

  /** What is to be read, or is read: all before it has ended. */
  get ready(): Shard[] {
    const { shards } = this.#known;
    return shards.filter(
      (one) => !this.#isDone(one.id) && one.parents.every((id) => this.#isDone(id)),
    );
  }

  /** Those that the table does not know, and where each begins. A shard that was made of one that is read begins at its start. */
  unknown(now: number): { shard: Shard; start: string }[] {
    const { shards, rows, initial } = this.#known;
    const unknown = shards.filter(({ id }) => !rows.has(id) && !this.#isDone(id));
    return unknown.map((shard) => ({
      shard,
      start: initial === "oldest" || this.#hasBegun(shard.id) ? "TRIM_HORIZON" : timeText(now),
    }));
  }

  /** Rows of shards that the stream has no more, and that nobody needs to know where their children begin. */
  get outlived(): string[] {
    const { shards, rows } = this.#known;
    return [...rows.values()]
      .filter(({ shard, checkpoint }) => checkpoint === shardEnd && !this.#shards.has(shard))
      .map(({ shard }) => shard)
      .filter((id) => shards.every((one) => !one.parents.includes(id) || rows.has(one.id)));
  }

  /** Nothing of it is to be read any more. */
  #isDone(id: string): boolean {
    const shard = this.#shards.get(id);
    if (shard === undefined) return true;
    if (!shard.isClosed) return false;
    const row = this.#known.rows.get(id);
    if (row !== undefined) return row.checkpoint === shardEnd;
    // It had ended before the consumer began.
    return this.#known.initial === "newest" && !this.#hasBegun(id);
  }

  #hasBegun(id: string): boolean {
    let begun = this.#begun.get(id);
    if (begun === undefined) {
      // No shard descends from itself, but what others send says so perhaps.
      this.#begun.set(id, false);
      const parents = this.#shards.get(id)?.parents ?? [];
      begun = this.#known.rows.has(id) || parents.some((parent) => this.#hasBegun(parent));
      this.#begun.set(id, begun);
    }
    return begun;
  }
}

/** Notes since when leases are as they are, by a clock that nobody sets. */
export class Observations {
  readonly #seen = new Map<string, { readonly text: string; readonly since: number }>();

  look(rows: Iterable<Row>, now: number): void {
    for (const { shard, owner = "", timeout = "" } of rows) {
      const text = `${owner} ${timeout}`;
      if (this.#seen.get(shard)?.text !== text) this.#seen.set(shard, { text, since: now });
    }
  }

  /** For how long a shard's lease has been as it is, in milliseconds. */
  unchanged(shard: string, now: number): number {
    return now - (this.#seen.get(shard)?.since ?? now);
  }
}

export type Sharing = {
  readonly rows: ReadonlyMap<string, Row>;
  readonly ready: readonly Shard[];
  /** Who asks. */
  readonly worker: string;
  /** What it reads at this moment. */
  readonly held: ReadonlySet<string>;
  /** The name of Dapr's workers, which give nothing away. */
  readonly consumer: string;
  readonly leaseDuration: number;
  /** For how long the lease of a shard has been as it is, in milliseconds. */
  readonly unchanged: (shard: string) => number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
};

/** Shares as the library does: who has fewer than his part takes what is free, then asks the one who has most for one. */
export function planOf(sharing: Sharing): Plan {
  const { rows, ready, worker, held, leaseDuration, unchanged } = sharing;
  const free: Row[] = [];
  const owned = new Map<string, Row[]>();
  for (const { id } of ready) {
    const row = rows.get(id);
    if (row === undefined || held.has(id)) continue;
    if (isFree(row, sharing)) free.push(row);
    else if (row.owner !== undefined) owned.set(row.owner, [...(owned.get(row.owner) ?? []), row]);
  }
  const workers = new Set([...owned.keys(), worker]).size;
  const part = Math.ceil(ready.length / workers);
  const own = free.filter(({ owner, claim }) => owner === worker || claim === worker);
  const others = free.filter((row) => !own.includes(row) && isUnclaimed(row, sharing));
  const room = Math.max(0, part - held.size - own.length);
  // What nobody takes is taken by whoever sees it.
  const left = others.slice(room).filter(({ shard }) => unchanged(shard) > 2 * leaseDuration);
  const take = [...own, ...others.slice(0, room), ...left];
  const all = [...owned.values()].flat();
  const isWaiting = all.some(({ claim }) => claim === worker);
  const has = held.size + take.length;
  const claim = isWaiting || free.length > 0 ? undefined : claimOf(sharing, owned, has);
  return { take, claim, isWaiting };
}

function claimOf(
  { ready, consumer, random, worker }: Sharing,
  owned: ReadonlyMap<string, readonly Row[]>,
  has: number,
): Row | undefined {
  const others = [...owned].filter(([owner]) => owner !== worker);
  const fair = Math.floor(ready.length / (others.length + 1));
  if (has >= fair) return undefined;
  const [most] = others
    .filter(([owner, rows]) => owner !== consumer && rows.length > fair)
    .toSorted((one, other) => other[1].length - one[1].length);
  const unclaimed = most?.[1].filter(({ claim }) => claim === undefined) ?? [];
  return unclaimed[Math.floor(random * unclaimed.length)];
}

/**
 * Whether nobody reads a shard: it was given back, or its lease has ended and stays as it is. Clocks differ: a lease that has
 * ended by this one may be renewed still, and one that nobody renews ends by no clock that runs ahead.
 */
function isFree(row: Row, { worker, leaseDuration, unchanged, now }: Sharing): boolean {
  const { shard, owner, timeout } = row;
  if (owner === undefined || owner === worker) return true;
  const still = unchanged(shard);
  if (still >= 3 * Math.max(leaseDuration, 10_000)) return true;
  return still >= leaseDuration / 3 && (timeOf(timeout) ?? 0) < now;
}

function isUnclaimed({ claim, timeout }: Row, { leaseDuration, now }: Sharing): boolean {
  if (claim === undefined) return true;
  const patience = claim.startsWith(workerPrefix) ? 2 * leaseDuration : libraryClaim;
  return (timeOf(timeout) ?? 0) + patience < now;
}
