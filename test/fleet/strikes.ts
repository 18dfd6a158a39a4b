import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { clockFileIn } from "../faults/faults.ts";
import type { ClusterNode } from "../servers/nats-cluster.ts";
import { until } from "../until.ts";
import type { Fleet } from "./fleet.ts";
import type { Replica } from "./replica.ts";

/** What happens to a fleet in one cell. */
export type Strike = {
  readonly name: string;
  /** Whether something is cut off. */
  readonly cutsOff?: true;
  /** How often the owner of a component may end: each time one tick may be doubled, in its printed window. */
  readonly owners: number;
  /** Strikes, stays for its time and heals, with as many replicas and servers as before. Returns what else is wrong. */
  readonly strike: (fleet: Fleet, random: () => number) => Promise<readonly string[]>;
};

/** One of some, of which there has to be one. */
function oneOf<T>(all: readonly T[], random: () => number): T {
  const one = all[Math.floor(random() * all.length)];
  if (one === undefined) throw new RangeError("there is none to choose from");
  return one;
}

/** The component whose owner is struck. */
const struck = "tick";

/** Longer than a lease lasts. */
const pastTheLease = 12_000;
/** Longer than NATS takes to choose another leader. */
const pastTheElection = 15_000;

type Target = { readonly name: string; find(fleet: Fleet, random: () => number): Promise<Replica> };
type Server = {
  readonly name: string;
  find(fleet: Fleet, random: () => number): Promise<ClusterNode>;
};

const owner: Target = {
  name: "the owner",
  async find(fleet) {
    let found: Replica | undefined;
    await until(async () => (found = await fleet.owner(struck)) !== undefined, {
      ...{ what: () => `an owner of ${struck}:\n${fleet.outputs()}`, within: 60_000 },
    });
    return found as Replica;
  },
};

const another: Target = {
  name: "a replica that waits",
  async find(fleet, random) {
    const first = await owner.find(fleet, random);
    return oneOf(
      fleet.replicas.filter((replica) => replica !== first),
      random,
    );
  },
};

const leader: Server = {
  name: "the stream's leader",
  find: (fleet) => leaderOf(fleet),
};

const metaLeader: Server = {
  name: "the cluster's leader",
  async find({ cluster }) {
    let found: ClusterNode | undefined;
    await until(async () => (found = await cluster.metaLeader()) !== undefined, {
      ...{ what: "a leader of the cluster", within: 60_000 },
    });
    return found as ClusterNode;
  },
};

const follower: Server = {
  name: "a follower",
  async find(fleet, random) {
    const first = await leaderOf(fleet);
    return oneOf(
      fleet.cluster.nodes.filter((node) => node !== first),
      random,
    );
  },
};

async function leaderOf({ cluster, stream }: Fleet): Promise<ClusterNode> {
  let found: ClusterNode | undefined;
  await until(async () => (found = await cluster.streamLeader(stream)) !== undefined, {
    ...{ what: `a leader of ${stream}`, within: 60_000 },
  });
  return found as ClusterNode;
}

const killed = (target: Target): Strike => ({
  ...{ name: `${target.name} killed`, owners: 1 },
  async strike(fleet, random) {
    const replica = await target.find(fleet, random);
    await replica.kill();
    await pause(6_000 + random() * 4_000);
    await replica.start();
    return [];
  },
});

const frozen = (target: Target): Strike => ({
  ...{ name: `${target.name} frozen past its lease`, owners: 1 },
  async strike(fleet, random) {
    const replica = await target.find(fleet, random);
    replica.runtime.freeze();
    await pause(pastTheLease + random() * 3_000);
    replica.runtime.thaw();
    return [];
  },
});

const cutOff = (target: Target): Strike => ({
  ...{ name: `${target.name} cut off from NATS, not from its sources`, owners: 1, cutsOff: true },
  async strike(fleet, random) {
    const replica = await target.find(fleet, random);
    await fleet.cutOff(replica);
    await pause(pastTheLease + random() * 8_000);
    await fleet.rejoin(replica);
    return [];
  },
});

const clockOff = (target: Target, hours: number): Strike => ({
  ...{
    name: `the clock of ${target.name} ${hours > 0 ? "+" : "−"}${Math.abs(hours)} h`,
    owners: 1,
  },
  async strike(fleet, random) {
    const replica = await target.find(fleet, random);
    const file = clockFileIn(join(fleet.folder, replica.name));
    await writeFile(file, String(hours * 3_600_000));
    await pause(pastTheLease);
    await writeFile(file, "0");
    await pause(3_000);
    return [];
  },
});

const serverKilled = (server: Server): Strike => ({
  ...{ name: `${server.name} killed`, owners: 1 },
  async strike(fleet, random) {
    const node = await server.find(fleet, random);
    await node.kill();
    await pause(pastTheElection);
    await node.start();
    await fleet.cluster.healthy();
    return [];
  },
});

const serverFrozen = (server: Server): Strike => ({
  ...{ name: `${server.name} frozen`, owners: 1 },
  async strike(fleet, random) {
    const node = await server.find(fleet, random);
    node.pause();
    await pause(pastTheElection);
    node.resume();
    await fleet.cluster.healthy();
    return [];
  },
});

const serverCutOff = (server: Server): Strike => ({
  ...{ name: `${server.name} cut off`, owners: 1, cutsOff: true },
  async strike(fleet, random) {
    const node = await server.find(fleet, random);
    await fleet.cutOff(node);
    await pause(pastTheElection + 5_000);
    await fleet.rejoin(node);
    await fleet.cluster.healthy();
    return [];
  },
});

/** The worst at once: the replica that reads, and the server that has the leases. */
const ownerAndLeader: Strike = {
  ...{ name: "the owner and the stream's leader killed at once", owners: 1 },
  async strike(fleet, random) {
    const [replica, node] = [await owner.find(fleet, random), await leaderOf(fleet)];
    await Promise.all([replica.kill(), node.kill()]);
    const began = Date.now();
    await until(async () => (await fleet.owner(struck)) !== undefined, {
      ...{ what: () => `another owner:\n${fleet.outputs()}`, within: 60_000, every: 100 },
    });
    const took = Date.now() - began;
    await node.start();
    await fleet.cluster.healthy();
    await replica.start();
    return took > 20_000 ? [`the next owner took ${took} ms, more than 20 s`] : [];
  },
};

/** Two of three servers are gone: nobody can renew, so nobody may read what only one may. */
const majorityKilled: Strike = {
  ...{ name: "two servers of three killed", owners: 2 },
  async strike(fleet, random) {
    const first = oneOf(fleet.cluster.nodes, random);
    const two = fleet.cluster.nodes.filter((node) => node !== first);
    await Promise.all(two.map((node) => node.kill()));
    await pause(pastTheLease);
    const wrong: string[] = [];
    const reader = await fleet.owner(struck);
    if (reader !== undefined) wrong.push(`${reader.name} reads ${struck} without a store`);
    await Promise.all(two.map((node) => node.start()));
    await fleet.cluster.healthy();
    return wrong;
  },
};

const rollingUpdate: Strike = {
  ...{ name: "rolling update of all replicas", owners: 3 },
  async strike(fleet) {
    const wrong: string[] = [];
    for (const replica of fleet.replicas) {
      const how = await replica.end();
      if (how !== "ended with code 0") wrong.push(`${replica.name} ${how}`);
      await replica.start();
    }
    return wrong;
  },
};

const serversRestarted: Strike = {
  ...{ name: "rolling update of all servers", owners: 3 },
  async strike(fleet) {
    for (const node of fleet.cluster.nodes) {
      await node.stop();
      await node.start();
      await fleet.cluster.healthy();
    }
    return [];
  },
};

/** Replicas come and go every 20 s: one that is new, then the oldest, which ends in order or is killed. */
const churn: Strike = {
  ...{ name: "a replica added or removed every 20 s, 2 min", owners: 3 },
  async strike(fleet, random) {
    const wrong: string[] = [];
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      await fleet.add();
      await pause(Math.max(0, 20_000 - (performance.now() - began)));
      const [oldest] = fleet.replicas;
      if (oldest === undefined) throw new Error("there is no replica");
      if (random() < 0.5) await oldest.kill();
      else {
        const how = await oldest.end();
        if (how !== "ended with code 0") wrong.push(`${oldest.name} ${how}`);
      }
      await pause(20_000);
    }
    return wrong;
  },
};

/** Every cell, those that are quickest first. */
export const strikes: readonly Strike[] = [
  ...[killed(owner), killed(another), frozen(owner), frozen(another)],
  ...[cutOff(owner), cutOff(another)],
  ...[serverKilled(leader), serverKilled(follower), serverKilled(metaLeader)],
  ...[serverFrozen(leader), serverFrozen(follower)],
  ...[serverCutOff(leader), serverCutOff(follower)],
  ...[ownerAndLeader, majorityKilled],
  ...[clockOff(owner, 1), clockOff(owner, -1), clockOff(another, 1)],
  ...[rollingUpdate, serversRestarted, churn],
];

/** For `npm test`: no replica comes back, and the next owner has to be there in time. */
export const quickStrike: Strike = {
  ...{ name: "the owner killed for good", owners: 1 },
  async strike(fleet, random) {
    const replica = await owner.find(fleet, random);
    await replica.kill();
    const began = performance.now();
    await until(async () => (await fleet.owner(struck)) !== undefined, {
      ...{ what: () => `another owner:\n${fleet.outputs()}`, within: 60_000, every: 50 },
    });
    // A machine that is busy with other tests takes longer; npm run bench measures the time itself.
    const took = performance.now() - began;
    return took > 20_000 ? [`the next owner took ${Math.round(took)} ms`] : [];
  },
};
