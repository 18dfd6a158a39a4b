import { expect, test } from "vitest";
import { LeaseKeeper } from "../../src/fleet/lease-keeper.ts";
import { leaseTimes } from "../../src/fleet/times.ts";
import { quietLogger } from "./simulation/quiet-logger.ts";
import { SimulatedLeaseServer, type NetworkOptions } from "./simulation/simulated-lease-store.ts";
import { Machine, randomOf, SimulatedWorld } from "./simulation/world.ts";

type Replica = { readonly name: string; readonly machine: Machine; readonly keeper: LeaseKeeper };

class Simulation {
  readonly world: SimulatedWorld;
  readonly server: SimulatedLeaseServer;
  readonly replicas: Replica[] = [];
  #count = 0;

  constructor(seed: number, network?: NetworkOptions) {
    this.world = new SimulatedWorld(seed);
    this.server = new SimulatedLeaseServer(this.machine(), network);
  }

  /** Clocks of any hour, whose rates are 0.1 % off at most. */
  machine(): Machine {
    const { random } = this.world;
    const [rate, offset] = [1 + (random() - 0.5) / 500, (random() - 0.5) * 7_200_000];
    return new Machine(this.world, { rate, offset });
  }

  /** `latency`: of its connection to the store; `spread`: see `LeaseTimes`. */
  start(latency?: readonly [number, number], spread = leaseTimes.spread): Replica {
    const machine = this.machine();
    const name = `replica-${this.#count++}`;
    const leases = this.server.connect(machine, latency);
    const keeper = machine.run(() => {
      const keeper = new LeaseKeeper({
        ...{ leases, name: "orders", replica: name, logger: quietLogger },
        times: { ...leaseTimes, spread },
        random: this.world.random,
        changed: () => undefined,
      });
      leases.watch((_, holder) => keeper.told(holder));
      keeper.start();
      return keeper;
    });
    const replica = { name, machine, keeper };
    this.replicas.push(replica);
    return replica;
  }

  /** Those that would dispatch and settle at this moment. */
  get owners(): Replica[] {
    return this.replicas.filter(
      ({ machine, keeper }) => !machine.frozen && !machine.dead && machine.run(() => keeper.held),
    );
  }

  /** Lets time pass until the condition is true, and returns how long that took. */
  async until(condition: () => boolean, longest = 60_000): Promise<number> {
    const begin = this.world.now;
    while (!condition()) {
      if (this.world.now - begin > longest) throw new Error(`not within ${longest} ms`);
      await this.pass(10);
    }
    return this.world.now - begin;
  }

  async pass(milliseconds: number): Promise<void> {
    await this.world.pass(milliseconds, () => {
      const owners = this.owners.map(({ name }) => name);
      if (owners.length > 1)
        throw new Error(`at ${this.world.now} ms ${owners.join(" and ")} own it both`);
    });
  }
}

test("of ten replicas one is the owner, and stays it", async () => {
  const simulation = new Simulation(1);
  for (let count = 0; count < 10; count++) simulation.start();
  await simulation.until(() => simulation.owners.length === 1);
  const [owner] = simulation.owners;
  for (let minute = 0; minute < 10; minute++) {
    await simulation.pass(60_000);
    expect(simulation.owners).toEqual([owner]);
  }
  const { acquires, renewals, notices } = simulation.server.traffic;
  expect(renewals).toBeLessThan(700);
  expect(notices).toBe(10);
  expect(acquires).toBeLessThan(10 * 25);
});

test("a dead owner is followed in less than five seconds", async () => {
  const times: number[] = [];
  for (let seed = 1; seed <= 50; seed++) {
    const simulation = new Simulation(seed);
    for (let count = 0; count < 3; count++) simulation.start();
    await simulation.until(() => simulation.owners.length === 1);
    await simulation.pass(5_000 + simulation.world.random() * 3_000);
    simulation.owners[0]?.machine.kill();
    times.push(await simulation.until(() => simulation.owners.length === 1));
  }
  expect(Math.max(...times)).toBeLessThan(5_000);
});

test("an owner and the leader that die together are followed in less than twenty seconds", async () => {
  const times: number[] = [];
  for (let seed = 1; seed <= 50; seed++) {
    const simulation = new Simulation(seed);
    for (let count = 0; count < 3; count++) simulation.start();
    await simulation.until(() => simulation.owners.length === 1);
    await simulation.pass(5_000);
    simulation.owners[0]?.machine.kill();
    simulation.server.loseLeader();
    // Raft's longest time-out for an election in NATS, and one that failed.
    const election = 4_000 + simulation.world.random() * 10_000;
    simulation.world.plan(election, () => simulation.server.elect());
    times.push(await simulation.until(() => simulation.owners.length === 1));
  }
  expect(Math.max(...times)).toBeLessThan(20_000);
});

test("a release hands over in less than a second", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const simulation = new Simulation(seed);
    for (let count = 0; count < 3; count++) simulation.start();
    await simulation.until(() => simulation.owners.length === 1);
    await simulation.pass(3_000);
    const [owner] = simulation.owners;
    owner?.machine.run(() => void owner.keeper.release());
    expect(await simulation.until(() => simulation.owners.length === 1)).toBeLessThan(1_000);
    expect(simulation.owners).not.toEqual([owner]);
  }
});

test("an owner that cannot renew stops reading before its lease ends, and another follows", async () => {
  const simulation = new Simulation(3);
  for (let count = 0; count < 3; count++) simulation.start();
  await simulation.until(() => simulation.owners.length === 1);
  await simulation.pass(3_000);
  const [owner] = simulation.owners;
  if (owner === undefined) throw new Error("nobody owns it");
  const { machine, keeper } = owner;
  simulation.server.cut(machine);
  await simulation.until(() => !machine.run(() => keeper.reads), 3_000);
  expect(machine.run(() => keeper.held)).toBe(true);
  expect(machine.run(() => keeper.remaining)).toBeGreaterThan(300);
  await simulation.until(() => simulation.owners.length === 0, 1_000);
  await simulation.until(() => simulation.owners.length === 1, 2_000);
  simulation.server.join(machine);
  await simulation.pass(5_000);
  const [next] = simulation.owners;
  expect(next).not.toBe(owner);
  expect(machine.run(() => keeper.reason)).toMatch(`replica ${next?.name} reads it since 20`);
});

test("an owner that was stopped knows at once that its lease is over", async () => {
  const simulation = new Simulation(4);
  for (let count = 0; count < 2; count++) simulation.start();
  await simulation.until(() => simulation.owners.length === 1);
  const [owner] = simulation.owners;
  if (owner === undefined) throw new Error("nobody owns it");
  owner.machine.freeze();
  await simulation.pass(10_000);
  // Before any of its timers.
  expect(owner.machine.run(() => owner.keeper.held)).toBe(false);
  owner.machine.thaw();
  await simulation.pass(5_000);
  expect(simulation.owners).toHaveLength(1);
});

test("an owner that is told of a later one stops at once, and not for what is told late", async () => {
  const simulation = new Simulation(6);
  const { machine, keeper, name } = simulation.start();
  await simulation.pass(3_000);
  const { since } = simulation.server.holder("orders") ?? { since: 0 };
  machine.run(() => keeper.told({ replica: "before", since: since - 1 }));
  machine.run(() => keeper.told(undefined));
  machine.run(() => keeper.told({ replica: name, since }));
  expect(machine.run(() => keeper.held)).toBe(true);
  machine.run(() => keeper.told({ replica: "after", since: since + 1 }));
  expect(machine.run(() => keeper.held)).toBe(false);
  expect(keeper.reason).toMatch("replica after reads it since");
});

test("the store's clock is known to a few milliseconds, whatever the time of day", async () => {
  const simulation = new Simulation(5);
  const { machine, keeper } = simulation.start();
  await simulation.pass(60_000);
  const off = machine.run(() => keeper.now()) - simulation.server.machine.time;
  expect(Math.abs(off)).toBeLessThan(5);
  expect(Math.abs(machine.time - simulation.server.machine.time)).toBeGreaterThan(60_000);
});

test(
  "never two owners, whatever fails: loss, partitions, stops, kills, elections",
  { timeout: 60_000 },
  async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const simulation = new Simulation(seed, { loss: 0.05, expiry: 0 });
      const { world, server } = simulation;
      const random = randomOf(seed + 1_000);
      // Answers to some take long, and others follow as soon as the store lets them.
      const start = (): Replica => simulation.start(random() < 0.5 ? [0.05, 0.1] : [20, 150], 0);
      for (let count = 0; count < 5; count++) start();
      let owned = 0;
      for (let step = 0; step < 60; step++) {
        const alive = simulation.replicas.filter(({ machine }) => !machine.dead);
        const one = alive[Math.floor(random() * alive.length)];
        const lasts = random() * 8_000;
        const machine = one?.machine;
        const dice = random();
        if (machine === undefined || dice < 0.1) start();
        else if (dice < 0.2 && alive.length > 2) machine.kill();
        else if (dice < 0.4) {
          machine.freeze();
          world.plan(lasts, () => machine.thaw());
        } else if (dice < 0.65) {
          server.cut(machine);
          world.plan(lasts, () => server.join(machine));
        } else if (dice < 0.75) {
          server.loseLeader();
          world.plan(lasts, () => server.elect());
        } else if (dice < 0.8 && alive.length > 2) {
          machine.run(() => void one?.keeper.release());
        }
        await simulation.pass(random() * 4_000);
        owned += simulation.owners.length;
      }
      expect(owned).toBeGreaterThan(0);
      server.elect();
      for (const { machine } of simulation.replicas) {
        machine.thaw();
        server.join(machine);
      }
      if (simulation.replicas.filter(({ machine }) => !machine.dead).length < 3) simulation.start();
      simulation.start();
      await simulation.until(() => simulation.owners.length === 1, 70_000);
    }
  },
);
