import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { readNatsSettings } from "../../src/store/nats/settings.ts";
import { createNatsStore } from "../../src/store/nats/nats-store.ts";
import { createStore } from "../../src/store/open-store.ts";
import type { LeaseGrant } from "../../src/store/leases.ts";
import type { CheckedStore } from "../../src/store/store.ts";
import { startNatsCluster, type NatsCluster } from "../../test/servers/nats-cluster.ts";
import { deadLetter } from "../dead-letter.ts";
import { pace } from "../measure/pacer.ts";
import { processorSeconds } from "../measure/process.ts";
import { percentiles } from "../measure/statistics.ts";
import { nowMicroseconds } from "../wire/payload.ts";
import type { Bench, Contender, ContenderName, Row, Sample } from "./row.ts";

const writers = 64;
const latencyRate = 50;

/** Dead letters of 1 KiB, durably: in a SQLite file, and on three servers of NATS that sync always. */
export const storeEnginesRow: Row = {
  name: "store-engines",
  title: `dead letters stored, ${writers} at a time`,
  latencyRate,
  contenders: ["cufflink-sqlite", "cufflink-nats"],
  requirements: [],
  open: (contender, bench) =>
    withStore(contender, bench, async (store, serversCpu) => {
      const count = bench.count(5000);
      await put(store, 1);
      const before = [processSeconds(), serversCpu()] as const;
      const began = performance.now();
      await put(store, count);
      const rate = count / ((performance.now() - began) / 1000);
      const cpu = ((processSeconds() - before[0]) / count) * 1e6;
      const serverCpu = ((serversCpu() - before[1]) / count) * 1e6;
      const latencies = await paced(bench.count(500), () => letter(store));
      const servers = contender === "cufflink-nats" ? { serverCpu } : {};
      return { rate, cpu, ...servers, ...latencies };
    }),
};

/** What it costs a replica, and the servers, to keep a thousand leases: each is renewed each second. */
export const leaseRenewalsRow: Row = {
  name: "lease-renewals",
  title: "a lease renewed, of a thousand that one replica has",
  latencyRate: 1000,
  contenders: ["cufflink-nats"],
  requirements: [],
  open: (contender, bench) =>
    withStore(contender, bench, async (store, serversCpu) => {
      const ttl = 10_000;
      const grants: LeaseGrant[] = [];
      for (let index = 0; index < bench.count(1000); index++) {
        const attempt = await store.leases.acquire(`component-${index}`, "bench", ttl);
        if (attempt.state !== "granted") throw new Error("another has the lease");
        grants.push(attempt.grant);
      }
      const rounds = 10;
      const took = new Float64Array(rounds * grants.length);
      let done = 0;
      const before = [processSeconds(), serversCpu()] as const;
      for (let round = 0; round < rounds; round++) {
        const began = performance.now();
        await Promise.all(
          grants.map(async (grant, index) => {
            grants[index] = await store.leases.renew(grant, ttl);
            took[done++] = performance.now() - began;
          }),
        );
        await new Promise((resolve) => setTimeout(resolve, 1000 - (performance.now() - began)));
      }
      const cpu = ((processSeconds() - before[0]) / done) * 1e6;
      const serverCpu = ((serversCpu() - before[1]) / done) * 1e6;
      for (const grant of grants) await store.leases.release(grant);
      return { cpu, serverCpu, ...percentiles(took) };
    }),
};

type Work = (store: CheckedStore, serversCpu: () => number) => Promise<Sample>;

async function withStore(contender: ContenderName, bench: Bench, work: Work): Promise<Contender> {
  if (contender === "cufflink-sqlite") {
    const store = createStore({ folder: await mkdtemp(join(bench.folder, "store-")) });
    return {
      round: () => work(store, () => 0),
      [Symbol.asyncDispose]: () => store.close(),
    };
  }
  const cluster = await startNatsCluster();
  const settings = await readNatsSettings(cluster.url.split(","), undefined, {});
  const monitoring = cluster.nodes.map((node) => node.monitoring);
  const store = createNatsStore({ appId: "bench", settings, durability: { monitoring } });
  return {
    round: () => work(store, () => serverSeconds(cluster)),
    async [Symbol.asyncDispose]() {
      await store.close();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

function serverSeconds({ nodes }: NatsCluster): number {
  return nodes.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : processorSeconds(pid)), 0);
}

function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function put(store: CheckedStore, count: number): Promise<void> {
  let left = count;
  const write = async (): Promise<void> => {
    while (left-- > 0) await letter(store);
  };
  await Promise.all(Array.from({ length: writers }, write));
}

/** Calls at a fixed rate; milliseconds from the moment at which each was meant. */
async function paced(count: number, call: () => Promise<void>) {
  const took = new Float64Array(count);
  const calls: Promise<void>[] = [];
  const timed = async (index: number, meant: number): Promise<void> => {
    await call();
    took[index] = (nowMicroseconds() - meant) / 1000;
  };
  await pace(latencyRate, count, (index, meant) => void calls.push(timed(index, meant)));
  await Promise.all(calls);
  return percentiles(took);
}

let number = 0;

async function letter(store: CheckedStore): Promise<void> {
  const one = deadLetter(++number);
  await store.deadLetters.put(one, `fingerprint of ${number}`);
}
