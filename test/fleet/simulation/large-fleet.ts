import { ReplicaFleet } from "../../../src/fleet/replica-fleet.ts";
import type { Ownership } from "../../../src/runtime/ownership.ts";
import { quietLogger } from "./quiet-logger.ts";
import {
  SimulatedLeaseServer,
  type NetworkOptions,
  type Traffic,
} from "./simulated-lease-store.ts";
import { Machine, SimulatedWorld } from "./world.ts";

export type LargeFleetOptions = {
  readonly replicas: number;
  readonly components: number;
  readonly seed: number;
  readonly network?: NetworkOptions;
};

/** What came of something that happened to the fleet. Times are milliseconds. */
export type Aftermath = {
  /** Components that were not read for a while. */
  readonly unread: number;
  /** From what happened until a replica read them again. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** Requests of all replicas until then. */
  readonly requests: number;
  /** The most in one second. */
  readonly requestsInWorstSecond: number;
};

/** What it took until all replicas had as many components. */
export type Evening = {
  /** Milliseconds. */
  readonly took: number;
  /** Components that were handed over. */
  readonly moves: number;
  /** Of the replica that has most in the end. */
  readonly most: number;
  /** From one replica's end to the other's begin. */
  readonly longestGap: number;
};

export type SteadyState = {
  /** A second, of all replicas. */
  readonly renewals: number;
  readonly acquires: number;
  /** Renewals that replicas are told of. */
  readonly renewalsTold: number;
  /** Changes that the server told, a second. */
  readonly notices: number;
};

type Replica = {
  readonly name: string;
  readonly machine: Machine;
  readonly owns: Ownership[];
};

/** Of a network whose latency is 1 ms, in milliseconds. */
const moment = 0.1;

/** Many replicas that run the real code of leases, each on a machine and with clocks of its own, and one simulated cluster. */
export class LargeFleet {
  readonly world: SimulatedWorld;
  readonly server: SimulatedLeaseServer;
  /** Moments at which two replicas might have read the same component. */
  readonly overlaps: string[] = [];
  readonly #replicas: Replica[] = [];
  readonly #components: number;
  /** Which replica reads each component; −1: none. */
  readonly #owner: Int32Array;
  /** Components that no replica reads, each with the moment that the wait for the next one is counted from. */
  readonly #vacant = new Map<number, number>();
  /** Since when it is counted; `undefined`: nothing has happened. */
  #struck: number | undefined;
  #took: number[] = [];

  constructor({ replicas, components, seed, network }: LargeFleetOptions) {
    this.world = new SimulatedWorld(seed, moment);
    this.server = new SimulatedLeaseServer(this.#machine(), network);
    this.#components = components;
    this.#owner = new Int32Array(components).fill(-1);
    for (let index = 0; index < replicas; index++)
      this.#replicas.push({ name: `replica-${index}`, machine: this.#machine(), owns: [] });
  }

  /** Starts all replicas within so many milliseconds; resolves once every component is read, with how long that took. */
  async start(within: number): Promise<number> {
    const began = this.world.now;
    for (let component = 0; component < this.#components; component++)
      this.#vacant.set(component, began);
    for (const index of this.#replicas.keys())
      this.world.plan(this.world.random() * within, () => this.#begin(index));
    await this.#pass(within);
    await this.#untilOwned(600_000);
    return this.world.now - began;
  }

  /** Nothing happens for so many milliseconds. */
  async steady(milliseconds: number): Promise<SteadyState> {
    const before = { ...this.server.traffic };
    await this.#pass(milliseconds);
    const seconds = milliseconds / 1000;
    const { traffic } = this.server;
    return {
      renewals: (traffic.renewals - before.renewals) / seconds,
      acquires: (traffic.acquires - before.acquires) / seconds,
      renewalsTold: (traffic.renewalsTold - before.renewalsTold) / seconds,
      notices: (traffic.notices - before.notices) / seconds,
    };
  }

  /** Resolves once no replica has two components more than another. */
  async even(): Promise<Evening> {
    const [began, { releases }] = [this.world.now, this.server.traffic];
    this.#took = [];
    this.#struck = undefined;
    while (Math.max(...this.#counts()) - Math.min(...this.#counts()) > 1 || this.#vacant.size > 0) {
      if (this.world.now - began > 1_200_000) throw new Error("not even after 20 minutes");
      await this.#pass(1_000);
    }
    return {
      ...{ took: this.world.now - began, most: this.most },
      moves: this.server.traffic.releases - releases,
      longestGap: this.#took.reduce((most, one) => Math.max(most, one), 0),
    };
  }

  /** So many replicas die at once. */
  killed(count: number): Promise<Aftermath> {
    return this.#aftermath(() => {
      for (const index of this.#busiest(count)) {
        this.#replicas[index]?.machine.kill();
        this.#vacate(index);
      }
    }, 0);
  }

  /** So many replicas are cut off from the store, for so many milliseconds. */
  async cutOff(count: number, milliseconds: number): Promise<Aftermath> {
    const cut = this.#busiest(count);
    const machines = cut.flatMap((index) => this.#replicas[index]?.machine ?? []);
    const strike = (): void => {
      for (const machine of machines) {
        this.server.cut(machine);
        this.world.plan(milliseconds, () => this.server.join(machine));
      }
      // An owner reads on until its lease ends; the others wait from now on.
      for (const index of cut) this.#vacate(index);
    };
    return await this.#aftermath(strike, milliseconds + 5_000);
  }

  /** The server that has the leases is lost, and another leads after so many milliseconds. */
  leaderLost(milliseconds: number): Promise<Aftermath> {
    const strike = (): void => {
      this.server.loseLeader();
      this.world.plan(milliseconds, () => this.server.elect());
    };
    return this.#aftermath(strike, milliseconds + 10_000);
  }

  /** How many components the replica has that has the most. */
  get most(): number {
    return Math.max(...this.#counts());
  }

  #begin(index: number): void {
    const replica = this.#replicas[index] as Replica;
    const { machine, name } = replica;
    machine.reach(() => {
      const fleet = new ReplicaFleet({
        ...{ leases: this.server.connect(machine), replica: name, singleton: true },
        ...{ logger: quietLogger, random: this.world.random },
      });
      fleet.start();
      for (let component = 0; component < this.#components; component++) {
        const ownership = fleet.own(`component-${component}`, true);
        replica.owns.push(ownership);
        ownership.onChange(() => {
          const { reads } = ownership;
          this.#changed(component, index, reads);
          if (!reads) ownership.readingEnded?.();
        });
      }
    });
  }

  #changed(component: number, index: number, reads: boolean): void {
    const before = this.#owner[component] as number;
    if (!reads) {
      if (before !== index) return;
      this.#owner[component] = -1;
      if (!this.#vacant.has(component)) this.#vacant.set(component, this.#struck ?? this.world.now);
      return;
    }
    if (before !== -1 && before !== index) {
      const { machine, owns, name } = this.#replicas[before] as Replica;
      if (!machine.dead && machine.run(() => owns[component]?.held === true))
        this.overlaps.push(`component ${component} at ${this.world.now} ms, with ${name}`);
    }
    this.#owner[component] = index;
    const since = this.#vacant.get(component);
    if (since === undefined) return;
    this.#vacant.delete(component);
    this.#took.push(this.world.now - since);
  }

  #vacate(index: number): void {
    for (let component = 0; component < this.#components; component++)
      if (this.#owner[component] === index) this.#vacant.set(component, this.world.now);
  }

  /** `atLeast`: how long it is looked at, in milliseconds, though all is read. */
  async #aftermath(strike: () => void, atLeast: number): Promise<Aftermath> {
    this.#took = [];
    const before = requestsOf(this.server.traffic);
    const began = this.world.now;
    this.#struck = began;
    strike();
    let worst = 0;
    let last = before;
    while (this.#vacant.size > 0 || this.world.now - began < atLeast) {
      if (this.world.now - began > atLeast + 120_000)
        throw new Error(`${this.#vacant.size} components are not read after two minutes`);
      await this.#pass(1_000);
      const now = requestsOf(this.server.traffic);
      worst = Math.max(worst, now - last);
      last = now;
    }
    this.#struck = undefined;
    const took = this.#took.toSorted((one, other) => one - other);
    return {
      unread: took.length,
      ...{ p50: quantile(took, 0.5), p99: quantile(took, 0.99), longest: took.at(-1) ?? 0 },
      ...{ requests: last - before, requestsInWorstSecond: worst },
    };
  }

  async #untilOwned(longest: number): Promise<void> {
    const end = this.world.now + longest;
    while (this.#vacant.size > 0) {
      if (this.world.now > end)
        throw new Error(`${this.#vacant.size} components are not read after ${longest} ms`);
      await this.#pass(100);
    }
  }

  #pass(milliseconds: number): Promise<void> {
    return this.world.pass(milliseconds);
  }

  /** The replicas that read the most. */
  #busiest(count: number): number[] {
    const counts = this.#counts();
    const alive = [...this.#replicas.keys()].filter(
      (index) => this.#replicas[index]?.machine.dead === false,
    );
    alive.sort((one, other) => (counts[other] ?? 0) - (counts[one] ?? 0));
    return alive.slice(0, count);
  }

  #counts(): number[] {
    const counts = this.#replicas.map(() => 0);
    for (const index of this.#owner) if (index >= 0) counts[index] = (counts[index] ?? 0) + 1;
    return counts;
  }

  /** Clocks of any hour, whose rates are 0.1 % off at most. */
  #machine(): Machine {
    const { random } = this.world;
    const [rate, offset] = [1 + (random() - 0.5) / 500, (random() - 0.5) * 7_200_000];
    return new Machine(this.world, { rate, offset });
  }
}

function requestsOf({ acquires, renewals, releases, requests }: Traffic): number {
  return acquires + renewals + releases + requests;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
