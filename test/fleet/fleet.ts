import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenedSource } from "../faults/opened-source.ts";
import { RuntimeProcess } from "../faults/runtime-process.ts";
import type { Servers } from "../faults/servers.ts";
import { uuidOf } from "../faults/scenario.ts";
import { startNatsCluster, type ClusterNode, type NatsCluster } from "../servers/nats-cluster.ts";
import type { Place } from "../servers/place.ts";
import { until } from "../until.ts";
import type { Network, NetworkPlace } from "./network.ts";
import { Replica, type ReplicaKind } from "./replica.ts";
import { componentOf, type FleetSource } from "./sources.ts";

/** The stream that has the leases of the app id. */
const stateStream = "CUFFLINK_faults";

export type FleetOptions = {
  readonly servers: Servers;
  readonly sources: readonly FleetSource[];
  /** Absent: all is on this machine's loopback, and nothing can be cut off. */
  readonly network?: Network | undefined;
  /** Default: 3. */
  readonly replicas?: number;
  /** Whether the wall clock of each replica can be set. */
  readonly skewed?: boolean;
  /** Further flags of each replica. */
  readonly arguments?: readonly string[];
};

/** A source that is open, and how the fleet reads it. */
export type FleetComponent = { readonly kind: FleetSource; readonly opened: OpenedSource };

/** Three servers of NATS and some replicas of one app id, each a runtime with an app of its own, all of them processes. */
export class Fleet implements AsyncDisposable {
  readonly cluster: NatsCluster;
  readonly components: readonly FleetComponent[];
  readonly folder: string;
  /** The stream that has leases, letters and checkpoints. */
  readonly stream = stateStream;
  readonly #places: ReadonlyMap<ClusterNode, NetworkPlace>;
  readonly #network: Network | undefined;
  readonly #kind: ReplicaKind;
  readonly #skewed: boolean;
  /** All that there ever were, with those that have ended. */
  readonly #all: Replica[] = [];
  #count = 0;
  #keep = false;

  private constructor(
    parts: Pick<Fleet, "cluster" | "components" | "folder"> & {
      places: ReadonlyMap<ClusterNode, NetworkPlace>;
    },
    { network, skewed = false, arguments: more = [] }: FleetOptions,
  ) {
    this.cluster = parts.cluster;
    this.components = parts.components;
    this.folder = parts.folder;
    this.#places = parts.places;
    this.#network = network;
    this.#skewed = skewed;
    this.#kind = {
      storeUrl: parts.cluster.url,
      arguments: [
        "--store-monitoring",
        parts.cluster.nodes.map(({ monitoring }) => monitoring).join(","),
        ...more,
      ],
      components: (replica) =>
        this.components.flatMap(({ kind, opened }) => [
          componentOf(kind, opened, replica),
          ...(opened.more ?? []),
        ]),
    };
  }

  /** Starts it; resolves once every component is read somewhere. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const { network, servers, sources, replicas = 3 } = options;
    const folder = await mkdtemp(join(tmpdir(), "cufflink-fleet-"));
    const places: NetworkPlace[] = [];
    if (network !== undefined)
      for (let count = 0; count < 3; count++) places.push(await network.place());
    const cluster = await startNatsCluster(places.length === 0 ? {} : { places });
    const ports = { app: undefined, protocol: "grpc" };
    const kit = {
      ...{ servers, slot: 0, folder, ownServer: false, credentials: false, ownDisk: false },
      runtime: await RuntimeProcess.prepare(join(folder, "nobody"), ports),
    };
    const components: FleetComponent[] = [];
    for (const kind of sources) components.push({ kind, opened: await kind.source.opened(kit) });
    const placeOf = new Map(
      cluster.nodes.flatMap((node, index) => {
        const place = places[index];
        return place === undefined ? [] : [[node, place] as const];
      }),
    );
    const fleet = new Fleet({ cluster, components, folder, places: placeOf }, options);
    try {
      if (network !== undefined) await fleet.#shareSources(network);
      const added = Array.from({ length: replicas }, () => fleet.add());
      await Promise.all(added);
      await fleet.settled();
      return fleet;
    } catch (error) {
      fleet.keep();
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Those whose runtime has a process now. */
  get replicas(): readonly Replica[] {
    return this.#all.filter(({ runtime }) => !runtime.gone);
  }

  get everyReplica(): readonly Replica[] {
    return this.#all;
  }

  /** Whether anything can be cut off. */
  get hasNetwork(): boolean {
    return this.#network !== undefined;
  }

  /** Leaves its folder, with all logs, where it is. */
  keep(): void {
    this.#keep = true;
  }

  /** Starts one more replica. */
  async add(): Promise<Replica> {
    const name = `replica-${++this.#count}`;
    const place = await this.#network?.place();
    const replica = await Replica.prepare(name, this.#kind, {
      ...{ folder: this.folder, skewed: this.#skewed },
      ...(place === undefined ? {} : { place }),
    });
    this.#all.push(replica);
    await replica.start();
    return replica;
  }

  /** The replica that reads a component; `undefined`: none, or more than one at this moment. */
  async owner(component: string): Promise<Replica | undefined> {
    const states = await Promise.all(
      this.replicas.map(async (replica) => ({
        replica,
        state: await replica.runtime.state(component),
      })),
    );
    const running = states.filter(({ state }) => state === "running");
    return running.length === 1 ? running[0]?.replica : undefined;
  }

  /** Resolves once all is read that should be, and by as many as should. */
  async settled(within = 180_000): Promise<void> {
    for (const { kind, opened } of this.components) {
      const { name } = opened.component;
      const isRead = async (): Promise<boolean> => {
        if (kind.reads === "one") return (await this.owner(name)) !== undefined;
        const states = await Promise.all(this.replicas.map(({ runtime }) => runtime.state(name)));
        return states.every((state) => state === "running");
      };
      await until(isRead, {
        what: () => `${name} to be read:\n${this.outputs()}`,
        ...{ within, every: 200 },
      });
    }
  }

  /** Cuts a server or a replica off from all servers of NATS and, a server, from all replicas; not from the sources. */
  async cutOff(one: ClusterNode | Replica): Promise<void> {
    const servers = [...this.#places.values()];
    const replicas = this.replicas.map(({ place }) => place);
    const place = this.#placeOf(one);
    const others = one instanceof Replica ? servers : [...servers, ...replicas];
    await place.cutOffFrom(others.filter((other) => other !== place));
  }

  async rejoin(one: ClusterNode | Replica): Promise<void> {
    await this.#placeOf(one).heal();
  }

  /** Uuids of the events in the dead letters, as a replica tells. */
  async deadLetters(): Promise<Set<string>> {
    const [replica] = this.replicas;
    if (replica === undefined) throw new Error("there is no replica to ask for dead letters");
    const found = new Set<string>();
    let pageToken = "";
    do {
      const answer = await fetch(`${replica.runtime.url}/cufflink.v1.DeadLetters/ListDeadLetters`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ pageSize: 1000, pageToken }),
        signal: AbortSignal.timeout(30_000),
      });
      if (!answer.ok) throw new Error(`ListDeadLetters: ${answer.status} ${await answer.text()}`);
      const page = (await answer.json()) as DeadLetterPage;
      for (const { event } of page.deadLetters ?? [])
        found.add(uuidOf(Buffer.from(event?.data ?? "", "base64")));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    return found;
  }

  /** The last lines of each replica. */
  outputs(): string {
    return this.#all.map(({ name, runtime }) => `${name}:\n${runtime.output()}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((replica) => replica.kill()));
    for (const { opened } of this.components) await opened[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
    if (!this.#keep) await rm(this.folder, { recursive: true, force: true });
  }

  #placeOf(one: ClusterNode | Replica): NetworkPlace {
    const place: Place | undefined = one instanceof Replica ? one.place : this.#places.get(one);
    if (place === undefined || !("cutOffFrom" in place))
      throw new Error(`${one.name} has no network of its own`);
    return place as NetworkPlace;
  }

  /** What a component's metadata names on 127.0.0.1, replicas in other networks have to reach. */
  async #shareSources(network: Network): Promise<void> {
    for (const { opened } of this.components) {
      const values = Object.values(opened.component.metadata).join(" ");
      for (const [, port] of values.matchAll(/127\.0\.0\.1:(\d+)/g))
        await network.share(Number(port));
    }
  }
}

type DeadLetterPage = {
  readonly deadLetters?: readonly { readonly event?: { readonly data?: string } }[];
  readonly nextPageToken?: string;
};
