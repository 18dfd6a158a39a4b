import type { Servers } from "../faults/servers.ts";
import { until } from "../until.ts";
import { Fleet } from "./fleet.ts";
import type { Replica } from "./replica.ts";
import { ticks } from "./sources.ts";

/** What ends an owner: it is killed; it and the leader of the leases' stream are; it ends in order. */
export type Ending = "killed" | "killed with the leader" | "ended in order";

const component = "tick";

/**
 * Ends the owner of a component so many times, one after another, and returns how long it took each time until another replica
 * read it, in milliseconds. Three replicas and three servers, on loopback.
 */
export async function failovers(
  servers: Servers,
  ending: Ending,
  count: number,
  progress: (text: string) => void = () => undefined,
): Promise<number[]> {
  await using fleet = await Fleet.open({ servers, sources: [ticks] });
  const took: number[] = [];
  while (took.length < count) {
    await fleet.settled();
    const owner = await fleet.owner(component);
    if (owner === undefined) continue;
    const others = fleet.replicas.filter((replica) => replica !== owner);
    const leader =
      ending === "killed with the leader"
        ? await fleet.cluster.streamLeader(fleet.stream)
        : undefined;
    const began = performance.now();
    const ended = ending === "ended in order" ? owner.runtime.end() : owner.runtime.kill();
    await Promise.all([leader?.kill(), ending === "ended in order" ? undefined : ended]);
    await until(() => isReadBy(others), {
      ...{ what: () => `another owner:\n${fleet.outputs()}`, within: 60_000, every: 20 },
    });
    took.push(performance.now() - began);
    progress(`${ending} ${took.length}: ${Math.round(took.at(-1) ?? 0)} ms`);
    await ended;
    await leader?.start();
    if (leader !== undefined) await fleet.cluster.healthy();
    await owner.startRuntime();
  }
  return took;
}

async function isReadBy(replicas: readonly Replica[]): Promise<boolean> {
  const states = await Promise.all(replicas.map(({ runtime }) => runtime.state(component)));
  return states.includes("running");
}
