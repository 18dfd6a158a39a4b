import { expect, test } from "vitest";
import { withClock } from "../../src/clock.ts";
import { BindingError } from "../../src/errors.ts";
import { Presence } from "../../src/fleet/presence.ts";
import { ReplicaFleet } from "../../src/fleet/replica-fleet.ts";
import { StoreClock } from "../../src/fleet/store-clock.ts";
import type { LeaseStore } from "../../src/store/leases.ts";
import type { ReplicaRecord, ReplicaStore } from "../../src/store/replicas.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { SimulatedLeaseServer } from "./simulation/simulated-lease-store.ts";
import { Machine, SimulatedWorld } from "./simulation/world.ts";

/** Replicas of one app, each on a machine of its own. */
function simulated() {
  const world = new SimulatedWorld(7);
  const server = new SimulatedLeaseServer(new Machine(world));
  const start = (replica: string, change: (leases: LeaseStore) => LeaseStore = (same) => same) => {
    const machine = new Machine(world);
    const logger = keepingLogger();
    const leases = change(server.connect(machine));
    const fleet = machine.run(() => {
      const { random } = world;
      const made = new ReplicaFleet({ leases, replica, singleton: true, logger, random });
      made.start();
      return made;
    });
    return { machine, fleet, logger };
  };
  return { world, server, start };
}

test("another process of the same id is told once, as an error", async () => {
  const { world, start } = simulated();
  const { machine, logger } = start("a");
  let error = new BindingError("already_exists", "another process is replica a, too");
  const replicas: ReplicaStore = {
    announce: () => Promise.reject(error),
    ...{ withdraw: async () => undefined, list: async () => [], watch: () => () => undefined },
  };
  const presence = new Presence({ replicas, replica: "a", components: () => [], logger });
  withClock(machine.clock, () => presence.start());
  await world.pass(25_000);
  expect(logger.lines).toHaveLength(1);
  expect(JSON.stringify(logger.lines)).toMatch(/error.*another process is replica a/);
  error = new BindingError("unavailable", "the server is away");
  await world.pass(25_000);
  await machine.run(() => presence.close());
});

test("a component has one lease, however many ask here, until the last gives it up", async () => {
  const { world, server, start } = simulated();
  const { machine, fleet } = start("a");
  const [old, next] = machine.run(() => [fleet.own("orders"), fleet.own("orders")]);
  await world.pass(1_000);
  expect(machine.run(() => [old.held, next.held])).toEqual([true, true]);
  expect(old.epoch).toBe(next.epoch);
  machine.run(() => void old.release());
  await world.pass(5_000);
  expect(machine.run(() => next.held)).toBe(true);
  machine.run(() => void next.release());
  await world.pass(100);
  expect(server.holder("orders")).toBeUndefined();
});

test("each replica knows who owns what, and closing gives up all", async () => {
  const { world, server, start } = simulated();
  const [a, b] = [start("a"), start("b")];
  const changes: number[] = [];
  b.fleet.onOwners(() => changes.push(b.fleet.owners().length));
  a.machine.run(() => [a.fleet.own("orders"), a.fleet.own("files")]);
  await world.pass(1_000);
  expect(b.fleet.owners().map(({ component, replica }) => `${component} ${replica}`)).toEqual([
    "files a",
    "orders a",
  ]);
  expect(changes).toEqual([1, 2]);
  a.machine.run(() => void a.fleet.close());
  await world.pass(1_000);
  expect(b.fleet.owners()).toEqual([]);
  expect([server.holder("orders"), server.holder("files")]).toEqual([undefined, undefined]);
});

test("all leases of a process are renewed at one moment", async () => {
  const { world, server, start } = simulated();
  const moments = new Set<number>();
  const { machine, fleet } = start("a", (leases) => ({
    ...leases,
    renew: (grant, ttl) => {
      moments.add(Math.round(world.now));
      return leases.renew(grant, ttl);
    },
  }));
  machine.run(() => Array.from({ length: 20 }, (_, index) => fleet.own(`component-${index}`)));
  await world.pass(3_000);
  moments.clear();
  const before = server.traffic.renewals;
  await world.pass(10_000);
  expect(server.traffic.renewals - before).toBe(200);
  expect(moments.size).toBe(10);
});

test("a watch that has died without a word is found, and begun anew", async () => {
  const { world, start } = simulated();
  const first = start("a");
  let watches = 0;
  const second = start("b", (leases) => ({
    ...leases,
    // The first one tells what is there, and nothing more.
    watch: (changed) => {
      const isDead = ++watches === 1;
      return leases.watch((name, holder) => {
        if (!isDead || holder !== undefined) changed(name, holder);
      });
    },
  }));
  first.machine.run(() => first.fleet.own("orders"));
  await world.pass(1_000);
  const waiting = second.machine.run(() => second.fleet.own("orders"));
  await world.pass(1_000);
  first.machine.kill();
  await world.pass(70_000);
  expect(second.machine.run(() => waiting.held)).toBe(true);
  expect(watches).toBe(2);
  expect(second.logger.lines.map(({ message }) => message)).toContain(
    "the store has not told of a change of a lease; its leases are watched anew",
  );
});

test("a jump of the store's clock is told, and followed", () => {
  const world = new SimulatedWorld(1);
  const machine = new Machine(world);
  machine.run(() => {
    const jumps: number[] = [];
    const clock = new StoreClock((jump) => jumps.push(Math.round(jump)));
    const sent = machine.clock.elapsed();
    clock.measured(1_000_000, sent);
    clock.measured(1_000_100, sent);
    expect(jumps).toEqual([]);
    clock.measured(1_002_000, sent);
    expect(jumps).toEqual([1_900]);
    expect(clock.now()).toBe(1_002_000);
  });
});

test("a replica announces itself, again and again, and after each change; at the end it withdraws", async () => {
  const world = new SimulatedWorld(1);
  const machine = new Machine(world);
  const announced: { record: ReplicaRecord; ttl: number }[] = [];
  const withdrawn: string[] = [];
  let isDown = false;
  const replicas: ReplicaStore = {
    announce: async (record, ttl) => {
      if (isDown) throw new Error("the store is away");
      announced.push({ record, ttl });
    },
    withdraw: async (id) => void withdrawn.push(id),
    list: async () => [],
    watch: () => () => undefined,
  };
  const logger = keepingLogger();
  const presence = new Presence({ replicas, replica: "a", components: () => [], logger });
  withClock(machine.clock, () => presence.start());
  await world.pass(25_000);
  expect(announced).toHaveLength(3);
  expect(announced[0]).toMatchObject({ record: { id: "a", components: [] }, ttl: 30_000 });
  withClock(machine.clock, () => {
    presence.changed();
    presence.changed();
  });
  await world.pass(1_000);
  expect(announced).toHaveLength(4);
  isDown = true;
  await world.pass(25_000);
  isDown = false;
  await world.pass(10_000);
  expect(announced).toHaveLength(5);
  expect(logger.lines).toHaveLength(1);
  await machine.run(() => presence.close());
  expect(withdrawn).toEqual(["a"]);
});
