import { expect, test } from "vitest";
import { clock } from "../../src/clock.ts";
import { balanceTimes } from "../../src/fleet/balance.ts";
import { ReplicaFleet, type LeasedOwnership } from "../../src/fleet/replica-fleet.ts";
import { quietLogger } from "./simulation/quiet-logger.ts";
import { SimulatedLeaseServer } from "./simulation/simulated-lease-store.ts";
import { Machine, SimulatedWorld } from "./simulation/world.ts";

type Replica = {
  readonly name: string;
  readonly machine: Machine;
  readonly fleet: ReplicaFleet;
  readonly owns: Map<string, LeasedOwnership>;
};

type Start = {
  /** How long the app takes for what it has, in milliseconds; `undefined`: nobody says when it has ended. */
  readonly drain?: number | undefined;
  readonly movable?: boolean;
};

/** Replicas that all ask for the same components, and what became of each component. */
class Balanced {
  readonly world: SimulatedWorld;
  readonly server: SimulatedLeaseServer;
  readonly replicas: Replica[] = [];
  readonly #components: readonly string[];
  readonly #reader = new Map<string, { readonly name: string | undefined; readonly at: number }>();
  /** From one reader of a component to the next, in milliseconds. */
  gaps: number[] = [];
  /** When a component went from one reader to the next, by the world's clock. */
  moves: { readonly from: string | undefined; readonly at: number }[] = [];

  constructor(seed: number, components: number) {
    this.world = new SimulatedWorld(seed, 0.1);
    this.server = new SimulatedLeaseServer(this.machine());
    this.#components = Array.from({ length: components }, (_, index) => `component-${index}`);
  }

  /** Clocks of any hour, whose rates are 0.1 % off at most. */
  machine(): Machine {
    const { random } = this.world;
    const [rate, offset] = [1 + (random() - 0.5) / 500, (random() - 0.5) * 7_200_000];
    return new Machine(this.world, { rate, offset });
  }

  start({ drain = 0, movable = true }: Start = {}, settles = true): Replica {
    const machine = this.machine();
    const name = `replica-${this.replicas.length}`;
    const owns = new Map<string, LeasedOwnership>();
    const fleet = machine.run(() => {
      const { random } = this.world;
      const leases = this.server.connect(machine);
      return new ReplicaFleet({
        ...{ leases, replica: name, singleton: true, logger: quietLogger, random },
      });
    });
    machine.run(() => {
      fleet.start();
      for (const component of this.#components) {
        const ownership = fleet.own(component, movable);
        owns.set(component, ownership);
        let reads = false;
        ownership.onChange(() => {
          if (ownership.reads === reads) return;
          reads = ownership.reads;
          this.#changed(component, name, reads);
          if (!reads && settles) clock.setTimeout(() => ownership.readingEnded?.(), drain);
        });
      }
    });
    const replica = { name, machine, fleet, owns };
    this.replicas.push(replica);
    return replica;
  }

  pass(milliseconds: number): Promise<void> {
    return this.world.pass(milliseconds);
  }

  /** How many components each replica reads. */
  get counts(): number[] {
    return this.replicas.map(
      ({ machine, owns }) =>
        [...owns.values()].filter((one) => !machine.dead && machine.run(() => one.reads)).length,
    );
  }

  #changed(component: string, name: string, reads: boolean): void {
    const before = this.#reader.get(component);
    if (reads) {
      for (const { name: other, machine, owns } of this.replicas)
        if (other !== name && !machine.dead && machine.run(() => owns.get(component)?.held))
          throw new Error(`at ${this.world.now} ms ${name} and ${other} hold ${component}`);
      if (before !== undefined && before.name !== name) {
        this.gaps.push(this.world.now - before.at);
        this.moves.push({ from: before.name, at: this.world.now });
      }
      this.#reader.set(component, { name, at: this.world.now });
    } else this.#reader.set(component, { name, at: this.world.now });
  }
}

test.each([1, 2, 3, 4, 5])(
  "a rolling start of three replicas ends balanced, and each moves one lease at a time: seed %i",
  async (seed) => {
    const fleet = new Balanced(seed, 6);
    for (let count = 0; count < 3; count++) {
      fleet.start();
      await fleet.pass(10_000);
    }
    expect(fleet.counts).toEqual([6, 0, 0]);
    await fleet.pass(90_000);
    expect(fleet.counts).toEqual([2, 2, 2]);
    // The second one may take what the third has to have then.
    expect(fleet.moves.length).toBeLessThanOrEqual(5);
    expect(Math.max(...fleet.gaps)).toBeLessThan(1_000);
    for (const [index, { at, from }] of fleet.moves.entries())
      for (const later of fleet.moves.slice(index + 1).filter((one) => one.from === from))
        expect(later.at - at).toBeGreaterThan(balanceTimes.pause * 0.9);
    // It stays so.
    const { requests, releases } = fleet.server.traffic;
    await fleet.pass(600_000);
    expect(fleet.server.traffic).toMatchObject({ requests, releases });
  },
);

test("a difference of one moves nothing", async () => {
  const fleet = new Balanced(1, 5);
  for (let count = 0; count < 3; count++) fleet.start();
  await fleet.pass(120_000);
  expect(fleet.counts.toSorted((one, other) => one - other)).toEqual([1, 2, 2]);
  const { requests } = fleet.server.traffic;
  await fleet.pass(300_000);
  expect(fleet.server.traffic.requests).toBe(requests);
});

test("many leases move a twentieth at a time, and none of them twice", async () => {
  const fleet = new Balanced(2, 150);
  fleet.start();
  await fleet.pass(5_000);
  fleet.start();
  fleet.start();
  await fleet.pass(240_000);
  expect(fleet.counts).toEqual([50, 50, 50]);
  expect(fleet.moves).toHaveLength(100);
  expect(Math.max(...fleet.gaps)).toBeLessThan(1_000);
});

test("replicas that are added and removed every 20 seconds move nothing but what a removed one had", async () => {
  const fleet = new Balanced(3, 6);
  fleet.start();
  fleet.start();
  await fleet.pass(120_000);
  expect(fleet.counts).toEqual([3, 3]);
  fleet.moves = [];
  const { requests } = fleet.server.traffic;
  for (let round = 0; round < 15; round++) {
    const added = fleet.start();
    await fleet.pass(20_000);
    added.machine.run(() => void added.fleet.close());
    await fleet.pass(500);
    added.machine.kill();
    await fleet.pass(19_500);
  }
  expect(fleet.server.traffic.requests).toBe(requests);
  expect(fleet.moves).toEqual([]);
  // One that owned leases is replaced every 20 seconds: its leases go on once, and nothing else moves.
  for (let round = 0; round < 15; round++) {
    const oldest = fleet.replicas.find(({ machine }) => !machine.dead);
    fleet.start();
    await fleet.pass(1_000);
    oldest?.machine.run(() => void oldest.fleet.close());
    await fleet.pass(500);
    oldest?.machine.kill();
    await fleet.pass(18_500);
  }
  expect(fleet.server.traffic.requests).toBe(requests);
});

test("nothing moves while there is no leader, nor soon after", async () => {
  const fleet = new Balanced(4, 6);
  fleet.start();
  await fleet.pass(10_000);
  fleet.start();
  await fleet.pass(balanceTimes.settled - 2_000);
  fleet.server.loseLeader();
  await fleet.pass(60_000);
  expect(fleet.server.traffic.requests).toBe(0);
  fleet.server.elect();
  await fleet.pass(balanceTimes.settled - 5_000);
  expect(fleet.server.traffic.requests).toBe(0);
  await fleet.pass(60_000);
  expect(fleet.counts).toEqual([3, 3]);
});

test("nothing moves to or from a replica that is cut off, nor among the others soon after", async () => {
  const fleet = new Balanced(5, 6);
  const [first, second] = [fleet.start(), fleet.start()];
  await fleet.pass(100_000);
  expect(fleet.counts).toEqual([3, 3]);
  const third = fleet.start();
  await fleet.pass(balanceTimes.settled - 2_000);
  const { requests, releases } = fleet.server.traffic;
  fleet.server.cut(second.machine);
  await fleet.pass(25_000);
  expect(fleet.server.traffic).toMatchObject({ requests, releases });
  expect(fleet.counts[1]).toBe(0);
  fleet.server.join(second.machine);
  await fleet.pass(120_000);
  expect(fleet.counts).toEqual([2, 2, 2]);
  expect([first, second, third].map(({ machine }) => machine.dead)).toEqual([false, false, false]);
});

test("what the app has is settled while the lease is held, and only then another reads", async () => {
  const fleet = new Balanced(6, 2);
  const { machine, owns } = fleet.start({ drain: 8_000 });
  await fleet.pass(10_000);
  fleet.start();
  for (let wait = 0; wait < 60 && fleet.server.traffic.requests === 0; wait++)
    await fleet.pass(1_000);
  await fleet.pass(5_000);
  const moving = [...owns.values()].find((one) => machine.run(() => one.held && !one.reads));
  expect(moving?.reason).toBe("replica replica-1 has fewer leases, and takes this one over");
  expect(machine.run(() => moving?.remaining)).toBeGreaterThan(20_000);
  await fleet.pass(10_000);
  expect(fleet.counts).toEqual([1, 1]);
  const [gap = 0] = fleet.gaps;
  expect(gap).toBeGreaterThan(8_000);
  expect(gap).toBeLessThan(9_000);
});

test("a lease is handed over at the latest after its time, though nobody says that the reading has ended", async () => {
  const fleet = new Balanced(7, 2);
  fleet.start({}, false);
  await fleet.pass(10_000);
  fleet.start();
  await fleet.pass(90_000);
  expect(fleet.counts).toEqual([1, 1]);
  expect(fleet.gaps[0]).toBeGreaterThan(balanceTimes.drain * 0.99);
});

test("a lease stays whose reader cannot say when it has ended to read", async () => {
  const fleet = new Balanced(8, 4);
  fleet.start({ movable: false });
  await fleet.pass(10_000);
  fleet.start();
  await fleet.pass(120_000);
  expect(fleet.server.traffic.requests).toBeGreaterThan(0);
  expect(fleet.counts).toEqual([4, 0]);
  expect(fleet.server.traffic.releases).toBe(0);
});

test("a successor that dies in the middle keeps nobody from the lease", async () => {
  const fleet = new Balanced(9, 2);
  fleet.start({ drain: 400 });
  await fleet.pass(10_000);
  const successor = fleet.start();
  for (let wait = 0; wait < 6_000 && fleet.server.traffic.requests === 0; wait++)
    await fleet.pass(10);
  successor.machine.kill();
  await fleet.pass(3_000);
  expect(fleet.counts).toEqual([2, 0]);
});
