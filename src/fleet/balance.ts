import { clock, type Timer } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { HandOverRequest, HandOverStore, LeaseHolder } from "../store/leases.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

/** The times that the balance goes by, in milliseconds. */
export type BalanceTimes = {
  /** No lease is moved until the replicas have not changed for so long. */
  readonly settled: number;
  /** How often a replica looks whether it has too few leases: half as much to one and a half. */
  readonly look: number;
  /** How long a request counts: a replica makes no other meanwhile. */
  readonly request: number;
  /** An owner hands over no other lease for so long, but those of one request. */
  readonly pause: number;
  /** What a replica asks for within so long is one request. */
  readonly together: number;
  /** How long what the app has may take before a lease is handed over. */
  readonly drain: number;
};

/** A replica that is added and removed again within half a minute moves nothing. */
export const balanceTimes: BalanceTimes = {
  settled: 30_000,
  look: 1_000,
  request: 3_000,
  pause: 2_000,
  together: 250,
  drain: 30_000,
};

/** Of a large difference one in so many leases is moved at a time; of a smaller one a single lease. */
const share = 20;

export type BalanceOptions = {
  readonly handOvers: HandOverStore;
  readonly replica: string;
  readonly logger: Logger;
  readonly times: BalanceTimes;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Who has each lease, as the store told. */
  readonly holders: ReadonlyMap<string, LeaseHolder>;
  /** The leases that this replica asks for, by name. */
  readonly kept: ReadonlyMap<string, { readonly keeper: LeaseKeeper; readonly movable: boolean }>;
};

/**
 * Evens out how many leases each replica has: one that has at least two fewer than another asks it for a lease, and the owner
 * hands that over if it sees the same. Nobody needs to know all replicas. What both see comes from the store alone, in
 * one order: without a majority of its servers nothing moves.
 */
export class LeaseBalance {
  readonly #options: BalanceOptions;
  readonly #requests = new Map<string, HandOverRequest>();
  /** What this replica hands over now, until the store tells of another owner. */
  readonly #leaving = new Map<string, string>();
  #handed = { to: "", at: Number.NEGATIVE_INFINITY };
  #requested = Number.NEGATIVE_INFINITY;
  #unsettled = 0;
  #endWatch: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(options: BalanceOptions) {
    this.#options = options;
  }

  start(): void {
    this.unsettle();
    this.#endWatch = this.#options.handOvers.watch((request, isThere) => {
      const { name, owner } = request;
      if (!isThere) return void this.#requests.delete(name);
      this.#requests.set(name, request);
      if (owner === this.#options.replica) this.#asked(request);
    });
    this.#lookLater();
  }

  close(): void {
    clock.clearTimeout(this.#timer);
    this.#endWatch?.();
  }

  /** The replica that takes a lease over, if it is being handed over. */
  successorOf(name: string): string | undefined {
    return this.#requests.get(name)?.successor;
  }

  /** The replicas change, or the store cannot be reached: nothing is moved for a while. */
  unsettle(): void {
    this.#unsettled = clock.elapsed();
  }

  /** A lease has another owner. */
  changed(name: string, holder: LeaseHolder | undefined): void {
    if (holder !== undefined) this.#leaving.delete(name);
    const successor = this.successorOf(name);
    const isMove = successor !== undefined && (holder?.replica ?? successor) === successor;
    if (!isMove) this.unsettle();
  }

  #lookLater(): void {
    const pause = this.#options.times.look * (0.5 + this.#options.random());
    this.#timer = clock.setTimeout(() => {
      this.#look();
      this.#lookLater();
    }, pause);
  }

  #isSettledFor(milliseconds: number): boolean {
    return clock.elapsed() - this.#unsettled >= milliseconds;
  }

  /** Asks the replica that has most for some of its leases. */
  #look(): void {
    const { replica, random, times } = this.#options;
    const { settled, request } = times;
    if (!this.#isSettledFor(settled) || clock.elapsed() - this.#requested < request) return;
    const busy = new Set([...this.#requests.values()].map(({ owner }) => owner));
    const counts = this.#counts();
    const mine = counts.get(replica) ?? 0;
    const wanted = Map.groupBy(this.#candidates(), ({ owner }) => owner);
    // Nobody takes more than its share, or from one that has no more than its own.
    const replicas = new Set([...counts.keys(), ...this.#successors(), replica]);
    const leases = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const fair = leases / replicas.size;
    let [most, from] = [Math.max(mine + 1, Math.floor(fair)), ""];
    for (const owner of wanted.keys()) {
      const count = counts.get(owner) ?? 0;
      if (count > most && !busy.has(owner)) [most, from] = [count, owner];
    }
    const names = wanted.get(from)?.map(({ name }) => name) ?? [];
    if (names.length === 0) return;
    this.#requested = clock.elapsed();
    const number = Math.min(atOnce(most - mine), Math.ceil(fair) - mine);
    for (let left = number; left > 0; left--) {
      const [name] = names.splice(Math.floor(random() * names.length), 1);
      if (name !== undefined) void this.#request({ name, owner: from, successor: replica });
    }
  }

  #successors(): string[] {
    return [...this.#requests.values()].map(({ successor }) => successor);
  }

  /** What this replica waits for. */
  #candidates(): { readonly name: string; readonly owner: string }[] {
    const { holders, kept, replica } = this.#options;
    return [...kept].flatMap(([name, { keeper }]) => {
      const owner = holders.get(name)?.replica;
      const isOther = owner !== undefined && owner !== replica;
      return keeper.waits && isOther && !this.#requests.has(name) ? { name, owner } : [];
    });
  }

  async #request(request: HandOverRequest): Promise<void> {
    try {
      const { handOvers, times } = this.#options;
      await handOvers.request(request, times.request);
    } catch (error) {
      this.#options.logger.debug({ reason: messageOf(error) }, "no lease can be asked for");
      this.unsettle();
    }
  }

  /** Another replica asks for a lease of this one. */
  #asked({ name, successor }: HandOverRequest): void {
    const { kept, logger, replica, times } = this.#options;
    // One whose hand-over came to nothing stays.
    for (const other of this.#leaving.keys())
      if (kept.get(other)?.keeper.reads === true) this.#leaving.delete(other);
    const { settled, pause, together, drain } = times;
    const one = kept.get(name);
    if (one === undefined || !one.movable || !one.keeper.isRenewed) return;
    const since = clock.elapsed() - this.#handed.at;
    const isSame = this.#handed.to === successor && since < together;
    if (!this.#isSettledFor(settled / 2) || (since < pause && !isSame)) return;
    const counts = this.#counts();
    if ((counts.get(replica) ?? 0) - (counts.get(successor) ?? 0) < 2) return;
    if (!isSame) this.#handed = { to: successor, at: clock.elapsed() };
    this.#leaving.set(name, successor);
    logger.info({ component: name, successor }, "the lease moves to a replica that has fewer");
    one.keeper.handOver(successor, drain);
  }

  /** How many leases each replica has, counting what this one hands over. */
  #counts(): Map<string, number> {
    const counts = new Map<string, number>();
    const add = (replica: string): unknown => counts.set(replica, (counts.get(replica) ?? 0) + 1);
    for (const [name, { replica }] of this.#options.holders)
      add(this.#leaving.get(name) ?? replica);
    for (const [name, replica] of this.#leaving) if (!this.#options.holders.has(name)) add(replica);
    return counts;
  }
}

/** How many leases move at one time. */
function atOnce(difference: number): number {
  return 1 + Math.floor((difference - 2) / share);
}
