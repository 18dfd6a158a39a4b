import { clock, type Timer } from "../clock.ts";
import { formatDuration } from "../metadata/duration.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Fleet, Owner, Ownership } from "../runtime/ownership.ts";
import type { LeaseHolder, LeaseStore } from "../store/leases.ts";
import { balanceTimes, LeaseBalance, type BalanceTimes } from "./balance.ts";
import { LeaseKeeper, type LeaseTerm } from "./lease-keeper.ts";
import { RenewalRounds } from "./renewal-rounds.ts";
import { StoreClock } from "./store-clock.ts";
import { leaseTimes, type LeaseTimes } from "./times.ts";

export type ReplicaFleetOptions = {
  readonly leases: LeaseStore;
  readonly replica: string;
  /** See {@link Fleet.singleton}. */
  readonly singleton: boolean;
  readonly logger: Logger;
  readonly times?: LeaseTimes;
  readonly balance?: BalanceTimes;
  /** From 0 to 1. Default: `Math.random`. */
  readonly random?: () => number;
};

/** A lease of this process, for one that hands it on to another thread. */
export type LeasedOwnership = Ownership & {
  readonly term: LeaseTerm | undefined;
  /** Called after the term has become longer. The result ends that. */
  onRenewal(run: () => void): () => void;
};

/** The keeper of a component's lease, and those of this process who go by it. */
type Kept = {
  readonly keeper: LeaseKeeper;
  readonly users: Set<() => void>;
  readonly renewals: Set<() => void>;
  count: number;
  /** Whether all of them say when they have ended to read. */
  movable: boolean;
};

/** What this replica owns of what the replicas of the app id share: one keeper for each component, one watch for all. */
export class ReplicaFleet implements Fleet {
  readonly replica: string;
  readonly singleton: boolean;
  readonly #options: ReplicaFleetOptions;
  readonly #times: LeaseTimes;
  readonly #random: () => number;
  readonly #clock: StoreClock;
  readonly #rounds: RenewalRounds;
  readonly #listeners = new Set<() => void>();
  readonly #kept = new Map<string, Kept>();
  readonly #holders = new Map<string, LeaseHolder>();
  readonly #balance: LeaseBalance | undefined;
  #endWatch: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(options: ReplicaFleetOptions) {
    this.#options = options;
    this.replica = options.replica;
    this.singleton = options.singleton;
    this.#times = options.times ?? leaseTimes;
    this.#random = options.random ?? Math.random;
    this.#clock = new StoreClock((jump) => {
      const facts = { jump: formatDuration(Math.round(Math.abs(jump))) };
      options.logger.warn(facts, jump > 0 ? clockAhead : clockBehind);
    });
    this.#rounds = new RenewalRounds(this.#times.renewAfter, this.#random);
    const { handOvers } = options.leases;
    if (handOvers !== undefined)
      this.#balance = new LeaseBalance({
        ...{ handOvers, replica: this.replica, logger: options.logger, random: this.#random },
        ...{ holders: this.#holders, kept: this.#kept, times: options.balance ?? balanceTimes },
      });
  }

  /** Watches the leases, whether this replica has asked for any or not. */
  start(): void {
    this.#balance?.start();
    this.#watch();
    this.#lookLater();
  }

  /** Gives up what it has. */
  async close(): Promise<void> {
    clock.clearTimeout(this.#timer);
    this.#balance?.close();
    await Promise.all([...this.#kept.values()].map(({ keeper }) => keeper.release()));
    this.#kept.clear();
    this.#endWatch?.();
  }

  owners(): readonly Owner[] {
    const owners = [...this.#holders].map(([component, holder]) => ({ component, ...holder }));
    return owners.toSorted((one, other) => (one.component < other.component ? -1 : 1));
  }

  /** Calls after each change of an owner. The result ends that. */
  onOwners(run: () => void): () => void {
    this.#listeners.add(run);
    return () => void this.#listeners.delete(run);
  }

  own(component: string, movable = false): LeasedOwnership {
    const kept = this.#kept.get(component) ?? this.#keep(component);
    kept.count++;
    kept.movable &&= movable;
    return new KeptOwnership(kept, () => {
      kept.count--;
      if (kept.count > 0) {
        // Of those that are left none reads while the lease is handed over.
        kept.keeper.readingEnded();
        return Promise.resolve();
      }
      this.#kept.delete(component);
      return kept.keeper.release();
    });
  }

  #keep(name: string): Kept {
    const { leases, replica, logger } = this.#options;
    const users = new Set<() => void>();
    const renewals = new Set<() => void>();
    const keeper = new LeaseKeeper({
      ...{ leases, name, replica, times: this.#times, random: this.#random },
      logger: componentLogger(logger, name),
      ...{ storeClock: this.#clock, rounds: this.#rounds },
      successor: () => this.#balance?.successorOf(name),
      changed: () => {
        if (keeper.isDoubtful) this.#balance?.unsettle();
        for (const run of users) run();
      },
      renewed() {
        for (const run of renewals) run();
      },
    });
    const kept: Kept = { keeper, users, renewals, count: 0, movable: true };
    this.#kept.set(name, kept);
    const holder = this.#holders.get(name);
    if (holder !== undefined) keeper.told(holder);
    keeper.start();
    return kept;
  }

  #watch(): void {
    this.#endWatch?.();
    this.#endWatch = this.#options.leases.watch((name, holder) => {
      const before = this.#holders.get(name);
      if (holder === undefined) this.#holders.delete(name);
      else this.#holders.set(name, holder);
      if (before?.replica !== holder?.replica) this.#balance?.changed(name, holder);
      for (const run of this.#listeners) run();
      this.#kept.get(name)?.keeper.told(holder);
    });
  }

  /** One of those that wait asks all the same, and stands for all: the watch may have died without a word. */
  #lookLater(): void {
    this.#timer = clock.setTimeout(
      () => {
        const waiting = [...this.#kept.values()].filter(({ keeper }) => keeper.waits);
        const one = waiting[Math.floor(this.#random() * waiting.length)];
        if (one !== undefined) void this.#look(one.keeper);
        this.#lookLater();
      },
      this.#times.look * (1 + this.#random()),
    );
  }

  async #look(keeper: LeaseKeeper): Promise<void> {
    const told = keeper.holder;
    await keeper.look();
    if (told === undefined || keeper.holder?.replica === told.replica) return;
    const text = "the store has not told of a change of a lease; its leases are watched anew";
    this.#options.logger.warn({ replica: told.replica }, text);
    try {
      this.#watch();
    } catch (error) {
      this.#options.logger.warn({ reason: messageOf(error) }, "the leases cannot be watched");
    }
  }
}

const apart =
  "the clocks of the servers differ, so that two replicas may own a component for that long";
const clockAhead = `the store's clock has jumped forward: ${apart}`;
const clockBehind = `the store's clock has jumped back: ${apart}`;

/** The same lines, each with the component's name. */
function componentLogger(logger: Logger, component: string): Logger {
  return {
    debug: (fields, message) => logger.debug({ component, ...fields }, message),
    info: (fields, message) => logger.info({ component, ...fields }, message),
    warn: (fields, message) => logger.warn({ component, ...fields }, message),
    error: (fields, message) => logger.error({ component, ...fields }, message),
  };
}

class KeptOwnership implements LeasedOwnership {
  readonly #kept: Kept;
  readonly #end: () => Promise<void>;
  #released: Promise<void> | undefined;

  constructor(kept: Kept, end: () => Promise<void>) {
    this.#kept = kept;
    this.#end = end;
  }

  get held(): boolean {
    return this.#kept.keeper.held;
  }

  get reads(): boolean {
    return this.#kept.keeper.reads;
  }

  get reason(): string {
    return this.#kept.keeper.reason;
  }

  get since(): number {
    return this.#kept.keeper.since;
  }

  get epoch(): number | undefined {
    return this.#kept.keeper.epoch;
  }

  get remaining(): number {
    return this.#kept.keeper.remaining;
  }

  now(): number {
    return this.#kept.keeper.now();
  }

  readingEnded(): void {
    this.#kept.keeper.readingEnded();
  }

  onChange(run: () => void): () => void {
    this.#kept.users.add(run);
    return () => void this.#kept.users.delete(run);
  }

  get term(): LeaseTerm | undefined {
    return this.#kept.keeper.term;
  }

  onRenewal(run: () => void): () => void {
    this.#kept.renewals.add(run);
    return () => void this.#kept.renewals.delete(run);
  }

  release(): Promise<void> {
    return (this.#released ??= this.#end());
  }
}
