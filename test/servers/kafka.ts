import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages, withFileLock } from "./install.ts";
import { portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram, searchPath } from "./server-process.ts";

export interface KafkaOptions {
  /** Further properties of the broker. They win over those set here. */
  readonly properties?: Readonly<Record<string, string>>;
  /**
   * Listeners beside the plain one: `{ SASL: { protocol: "SASL_PLAINTEXT", address: "localhost:9094" } }`. Clients are
   * told the same address, or `advertised`.
   */
  readonly moreListeners?: Readonly<
    Record<string, { protocol: string; address: string; advertised?: string }>
  >;
  /** Makes it a mere broker of another node's cluster: its own number, above 1, and that node's `controller`. */
  readonly joins?: { readonly id: number; readonly controller: string };
}

export interface KafkaNode {
  /** Where the brokers of its cluster find its controller, `host:port`. */
  readonly controller: string;
}

export interface KafkaTopics {
  /** The bootstrap brokers, `host:port` joined by commas. The same as `url`. */
  readonly brokers: string;
  /** Creates a topic with this many partitions, 1 unless said, and resolves once each has a leader. */
  createTopic(name: string, partitions?: number, replicas?: number): Promise<void>;
}

const run = promisify(execFile);
const pom = join(import.meta.dirname, "kafka", "pom.xml");
const clusterId = "Y3VmZmxpbmstdGVzdHMtMQ";

/** Apache Kafka: one node that is broker and controller. Topics are created when first used. */
export const kafka: ServerKind<KafkaOptions, KafkaTopics, KafkaNode> = {
  title: "Kafka",
  variable: "KAFKA_BROKERS",
  ports: 2,
  startTimeout: 120_000,
  greeting: {
    // ApiVersions, version 0, correlation id 7, no client id.
    question: Buffer.from("0000000a0012000000000007ffff", "hex"),
    isAnswer: (answer) => answer.length >= 8 && answer.readInt32BE(4) === 7,
  },
  startedLine: /Kafka Server started/,
  url: (host, port) => `${host}:${port}`,
  parse(value) {
    const [, host, port] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(value.split(",")[0] ?? "") ?? [];
    if (host === undefined) throw new Error(`no broker in ${JSON.stringify(value)}`);
    return { host, port: Number(port ?? 9092) };
  },
  isInstalled: () => java() !== undefined && existsSync(libraries()),
  install,
  async prepare(place, options) {
    const file = join(place.folder, "server.properties");
    const data = join(place.folder, "data");
    await writeFile(
      file,
      propertiesText({
        ...withListeners(properties(place, data, options.joins), options),
        ...options.properties,
      }),
    );
    if (!existsSync(data)) await format(file, data, options.joins?.id ?? 1);
    return [
      {
        program: java() ?? "java",
        arguments: [...javaOptions, "-Xms128m", "-Xmx512m", "kafka.Kafka", file],
        environment: { CLASSPATH: join(libraries(), "*") },
      },
    ];
  },
  extras: ({ url }) => ({
    brokers: url,
    createTopic: (name, partitions = 1, replicas = 1) =>
      createTopic(url.split(","), name, partitions, replicas),
  }),
  ownExtras: (place) => ({ controller: `${place.host}:${portAt(place, 1)}` }),
};

// Quick to start rather than fast for days.
const javaOptions = [
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Xshare:auto",
  "-Djava.net.preferIPv4Stack=true",
  "-Dorg.slf4j.simpleLogger.showThreadName=false",
];

function withListeners(
  given: Record<string, string>,
  { moreListeners = {} }: KafkaOptions,
): Record<string, string> {
  const result = { ...given };
  for (const [name, { protocol, address, advertised = address }] of Object.entries(moreListeners)) {
    result["listeners"] += `,${name}://${address}`;
    result["advertised.listeners"] += `,${name}://${advertised}`;
    result["listener.security.protocol.map"] += `,${name}:${protocol}`;
  }
  return result;
}

function properties(
  place: Place,
  data: string,
  joins: KafkaOptions["joins"],
): Record<string, string> {
  const broker = `${place.host}:${portAt(place, 0)}`;
  const controller = `${place.host}:${portAt(place, 1)}`;
  return {
    "process.roles": joins === undefined ? "broker,controller" : "broker",
    "node.id": String(joins?.id ?? 1),
    "controller.quorum.voters": `1@${joins?.controller ?? controller}`,
    listeners: `PLAINTEXT://${broker}${joins === undefined ? `,CONTROLLER://${controller}` : ""}`,
    "advertised.listeners": `PLAINTEXT://${broker}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "log.dirs": data,
    "auto.create.topics.enable": "true",
    "delete.topic.enable": "true",
    "num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    // Fifty partitions are fifty files to open at each start.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.enable": "false",
  };
}

/** Formatting costs the start of a Java machine, and its result depends on nothing: it is kept and copied. */
async function format(file: string, data: string, id: number): Promise<void> {
  const kept = join(cache(), "formatted");
  if (!existsSync(kept)) {
    await mkdir(cache(), { recursive: true });
    const fresh = await mkdtemp(join(cache(), "formatting-"));
    try {
      const scratch = join(fresh, "server.properties");
      const own = readFileSync(file, "utf8").replace(/^log\.dirs=.*$/m, `log.dirs=${fresh}/data`);
      await writeFile(scratch, own);
      await run(
        java() ?? "java",
        [...javaOptions, "kafka.tools.StorageTool", "format", "-t", clusterId, "-c", scratch],
        { env: { PATH: searchPath(), CLASSPATH: join(libraries(), "*") }, timeout: 60_000 },
      );
      await renameUnlessThere(join(fresh, "data"), kept);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }
  await cp(kept, data, { recursive: true });
  if (id === 1) return;
  const about = join(data, "meta.properties");
  const own = readFileSync(about, "utf8")
    .replace(/^node\.id=.*$/m, `node.id=${id}`)
    // The controller knows a broker's folders by their ids.
    .replace(/^directory\.id=.*$/m, `directory.id=${randomBytes(16).toString("base64url")}`);
  await writeFile(about, own);
}

async function install(): Promise<void> {
  const missing = [
    ...(java() === undefined ? ["default-jre-headless"] : []),
    ...(existsSync(libraries()) || findProgram("mvn") !== undefined ? [] : ["maven"]),
  ];
  if (missing.length > 0) await installPackages(...missing);
  if (process.env["CUFFLINK_TEST_INSTALL"] === "0" && !existsSync(libraries())) {
    throw new Error("not installed, and CUFFLINK_TEST_INSTALL=0 forbids to fetch it");
  }
  await withFileLock("cufflink-kafka", async () => {
    if (existsSync(libraries())) return;
    await mkdir(cache(), { recursive: true });
    const fresh = await mkdtemp(join(cache(), "fetching-"));
    try {
      await run(
        findProgram("mvn") ?? "mvn",
        ["-B", "-q", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${fresh}`],
        { timeout: 600_000, maxBuffer: 64 << 20 },
      );
      await renameUnlessThere(fresh, libraries());
    } catch (error) {
      const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
      const reason = /ERROR.*/.exec(said)?.[0] ?? String(error);
      throw new Error(`Maven could not fetch Kafka: ${reason}`, { cause: error });
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

async function createTopic(
  brokers: string[],
  name: string,
  partitions: number,
  replicas: number,
): Promise<void> {
  const { Admin } = await import("@platformatic/kafka");
  const admin = new Admin({ clientId: "cufflink-tests", bootstrapBrokers: brokers });
  try {
    await admin.createTopics({ topics: [name], partitions, replicas });
    const deadline = performance.now() + 15_000;
    for (;;) {
      const metadata = await admin.metadata({ topics: [name], forceUpdate: true });
      const known = metadata.topics.get(name)?.partitions ?? [];
      if (known.length === partitions && known.every((partition) => partition.leader >= 0)) return;
      if (performance.now() > deadline) {
        throw new Error(`Kafka topic ${name} has no leaders after 15 s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await admin.close();
  }
}

/** The folder of jars: a Kafka that somebody unpacked, or what Maven fetched. */
function libraries(): string {
  const home = process.env["KAFKA_HOME"];
  return home === undefined || home === "" ? join(cache(), "libs") : join(home, "libs");
}

function cache(): string {
  const home = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const version = createHash("sha256").update(readFileSync(pom)).digest("hex").slice(0, 12);
  return join(home, "cufflink", `kafka-${version}`);
}

function java(): string | undefined {
  const home = process.env["JAVA_HOME"];
  const own = home === undefined || home === "" ? [] : [join(home, "bin", "java")];
  return findProgram(...own, "java");
}

function propertiesText(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
