import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";
import { natsProgram } from "./nats.ts";
import { commandAt, localPlace, type Place } from "./place.ts";
import { releasePort, reservePort } from "./ports.ts";
import { spawnServer, type ServerProcess } from "./server-process.ts";

/** One server of the cluster. Its address, its ports and its data stay when its process ends. */
export type ClusterNode = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Where `/varz` and `/jsz` are. */
  readonly monitoring: string;
  readonly gone: boolean;
  /** While it runs. */
  readonly pid: number | undefined;
  /** Starts it; resolves once it answers its monitoring port. */
  start(): Promise<void>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves once it is gone. */
  stop(): Promise<void>;
  pause(): void;
  resume(): void;
  /** The end of its log. */
  log(): Promise<string>;
};

export type NatsCluster = AsyncDisposable & {
  readonly nodes: readonly ClusterNode[];
  /** Of all servers, parted by commas. */
  readonly url: string;
  /** Resolves once all servers agree on a leader and none is behind. */
  healthy(): Promise<void>;
  /** Who leads the cluster's own records; `undefined`: nobody does, as far as the servers that answer know. */
  metaLeader(): Promise<ClusterNode | undefined>;
  /** Who leads a stream. */
  streamLeader(stream: string): Promise<ClusterNode | undefined>;
};

export type NatsClusterOptions = {
  /** Default: three on 127.0.0.1. */
  readonly places?: readonly Place[];
  /** Further lines of each server's configuration. */
  readonly config?: readonly string[];
  /** `false`: they sync every two minutes, as NATS does by default. Default `true`: before each acknowledgement. */
  readonly syncAlways?: boolean;
};

const startTimeout = 60_000;

/** Servers of NATS with JetStream that replicate each other's streams, each with its data in a folder of its own. */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { places = [localPlace, localPlace, localPlace] } = options;
  const folder = await mkdtemp(join(tmpdir(), `cufflink-server-${process.pid}-nats-`));
  const ports: number[] = [];
  const portsOf = async (): Promise<Ports> => {
    const three = [await reservePort(), await reservePort(), await reservePort()] as const;
    ports.push(...three);
    return { client: three[0], route: three[1], monitoring: three[2] };
  };
  const members: Member[] = [];
  for (const [index, place] of places.entries())
    members.push({ name: `n${index + 1}`, place, ports: await portsOf() });
  const nodes = members.map((member) => new Node(member, members, folder, options));
  const cluster = clusterOf(nodes, async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    for (const port of ports) await releasePort(port);
  });
  try {
    await Promise.all(nodes.map((node) => node.start()));
    await cluster.healthy();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

type Ports = { readonly client: number; readonly route: number; readonly monitoring: number };
type Member = { readonly name: string; readonly place: Place; readonly ports: Ports };

class Node implements ClusterNode {
  readonly #member: Member;
  readonly #folder: string;
  readonly #configuration: string;
  #process: ServerProcess | undefined;

  constructor(
    member: Member,
    members: readonly Member[],
    folder: string,
    { config = [], syncAlways = true }: NatsClusterOptions,
  ) {
    const { name, place, ports } = member;
    this.#member = member;
    this.#folder = join(folder, name);
    const routes = members.filter((other) => other !== member);
    this.#configuration = [
      `server_name: ${name}`,
      `listen: "${place.host}:${ports.client}"`,
      `http: "${place.host}:${ports.monitoring}"`,
      `jetstream { store_dir: "${join(this.#folder, "data")}"${syncAlways ? ", sync_interval: always" : ""} }`,
      `cluster { name: fleet, listen: "${place.host}:${ports.route}", routes: [${routes.map((other) => `"nats://${other.place.host}:${other.ports.route}"`).join(", ")}] }`,
      ...config,
      "",
    ].join("\n");
  }

  get name(): string {
    return this.#member.name;
  }

  get host(): string {
    return this.#member.place.host;
  }

  get port(): number {
    return this.#member.ports.client;
  }

  get url(): string {
    return `nats://${this.host}:${this.port}`;
  }

  get monitoring(): string {
    return `http://${this.host}:${this.#member.ports.monitoring}`;
  }

  get gone(): boolean {
    return this.#process?.gone ?? true;
  }

  get pid(): number | undefined {
    return this.gone ? undefined : this.#process?.pid;
  }

  async start(): Promise<void> {
    if (!this.gone) throw new Error(`${this.name} runs already`);
    await mkdir(this.#folder, { recursive: true });
    const file = join(this.#folder, "nats.conf");
    await writeFile(file, this.#configuration);
    const command = commandAt(this.#member.place, natsProgram() ?? "nats-server", ["-c", file]);
    const started = await spawnServer(command, this.#folder, this.#log);
    this.#process = started;
    const answers = async (): Promise<boolean> => {
      if (started.gone)
        throw new Error(`${this.name} ${await started.ended}:\n${await this.log()}`);
      return (await asked(`${this.monitoring}/varz`)) !== undefined;
    };
    await until(answers, { what: () => `${this.name} to answer`, within: startTimeout, every: 50 });
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  pause(): void {
    this.#process?.signal("SIGSTOP");
  }

  resume(): void {
    this.#process?.signal("SIGCONT");
  }

  async log(): Promise<string> {
    const text = await readFile(this.#log, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-40).join("\n");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#process?.signal(signal);
    // A frozen process does not see SIGTERM before it is thawed.
    this.#process?.signal("SIGCONT");
    await this.#process?.ended;
  }

  get #log(): string {
    return join(this.#folder, "server.log");
  }
}

function clusterOf(nodes: readonly Node[], dispose: () => Promise<void>): NatsCluster {
  const named = (name: string | undefined): Node | undefined =>
    nodes.find((node) => node.name === name);

  /** What most of the servers that answer say, for one that was cut off still says what it knew. */
  async function mostSay(
    of: (state: JetStreamState) => string | undefined,
  ): Promise<Node | undefined> {
    const states = await Promise.all(
      nodes.map((node) => asked(`${node.monitoring}/jsz?accounts=true&streams=true`)),
    );
    const votes = new Map<string, number>();
    for (const state of states) {
      const name = state === undefined ? undefined : of(state as JetStreamState);
      if (name !== undefined && name !== "") votes.set(name, (votes.get(name) ?? 0) + 1);
    }
    const [best] = [...votes].toSorted(([, one], [, other]) => other - one);
    return named(best?.[0]);
  }

  const cluster: NatsCluster = {
    nodes,
    url: nodes.map(({ url }) => url).join(","),
    async healthy() {
      const isHealthy = async (): Promise<boolean> => {
        const answers = await Promise.all(nodes.map((node) => asked(`${node.monitoring}/healthz`)));
        if (!answers.every((answer) => (answer as { status?: string })?.status === "ok"))
          return false;
        return (await cluster.metaLeader()) !== undefined;
      };
      await until(isHealthy, { what: "the cluster to be healthy", within: 120_000, every: 200 });
    },
    metaLeader: () => mostSay(({ meta_cluster }) => meta_cluster?.leader),
    streamLeader: (stream) =>
      mostSay(({ account_details = [] }) => {
        const streams = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
        return streams.find(({ name }) => name === stream)?.cluster?.leader;
      }),
    [Symbol.asyncDispose]: dispose,
  };
  return cluster;
}

/** The part of `/jsz` that is looked at. */
type JetStreamState = {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
};

async function asked(url: string): Promise<unknown> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}
