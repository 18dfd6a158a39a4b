import { randomUUID } from "node:crypto";
import { Servers } from "../../test/faults/servers.ts";
import { Fleet } from "../../test/fleet/fleet.ts";
import { relayedEntries } from "../../test/fleet/sources.ts";
import { startNatsCluster } from "../../test/servers/nats-cluster.ts";
import { until } from "../../test/until.ts";
import { eventContender } from "./events.ts";
import { openStream } from "./redis-streams-in.ts";
import type { Bench, Contender, Row } from "./row.ts";

const latencyRate = 200;

/** What an event costs more that goes through the relay's stream on its way: on three servers that sync always. */
export const relayRow: Row = {
  name: "relay",
  title: "Redis stream → app, relayed through JetStream, a thousand keys",
  latencyRate,
  contenders: ["cufflink-stream", "cufflink-relay"],
  requirements: [],
  async open(contender, bench) {
    const isRelayed = contender === "cufflink-relay";
    const cluster = isRelayed ? await startNatsCluster() : undefined;
    const flags = cluster === undefined ? [] : ["--store", cluster.url];
    const events = await eventContender(contender, bench, {
      ...{ system: "redis-streams", keys: 1000, ordered: true, latencyRate, flags },
      waiting: bench.count(20_000),
      paced: bench.count(1000),
      open: () => openStream(bench, isRelayed ? { relay: "true" } : {}),
    });
    return {
      round: () => events.round(),
      async [Symbol.asyncDispose]() {
        await events[Symbol.asyncDispose]();
        await cluster?.[Symbol.asyncDispose]();
      },
    };
  },
};

/** How long the app takes for each event, and how many it takes at one time. */
const work = { milliseconds: 20, atOnce: 4 };

/** An app that is busy with each event: more replicas handle more. */
export const relayReplicasRow: Row = {
  name: "relay-replicas",
  title: `events a second through the relay, an app that takes ${work.milliseconds} ms for each and ${work.atOnce} at a time`,
  contenders: ["cufflink-1", "cufflink-2", "cufflink-3"],
  requirements: [
    { measure: "rate", contender: "cufflink-2", of: "cufflink-1", atLeast: 1.6 },
    { measure: "rate", contender: "cufflink-3", of: "cufflink-1", atLeast: 2.2 },
  ],
  open: (contender, bench) => replicasContender(Number(contender.at(-1)), bench),
};

async function replicasContender(replicas: number, bench: Bench): Promise<Contender> {
  const servers = new Servers(1);
  const source = relayedEntries({ maxInFlight: String(work.atOnce) });
  const fleet = await Fleet.open({ servers, sources: [source], replicas });
  const [component] = fleet.components;
  const send = component?.opened.send;
  if (send === undefined) throw new Error("the source takes no events");
  return {
    async round() {
      const count = bench.count(3000);
      const wanted = new Set<string>();
      const began = performance.now();
      for (let number = 0; number < count; number++) {
        const uuid = randomUUID();
        wanted.add(uuid);
        await send({
          ...{ key: `key-${number % 1000}`, sequence: Math.floor(number / 1000), uuid },
          do: `work:${work.milliseconds}`,
        });
      }
      const done = (): boolean => {
        for (const replica of fleet.everyReplica)
          for (const { uuid, what } of replica.records())
            if (what === "handled") wanted.delete(uuid);
        return wanted.size === 0;
      };
      await until(done, { what: "all events to be handled", within: 300_000, every: 50 });
      return { rate: count / ((performance.now() - began) / 1000) };
    },
    async [Symbol.asyncDispose]() {
      await fleet[Symbol.asyncDispose]();
      await servers[Symbol.asyncDispose]();
    },
  };
}
