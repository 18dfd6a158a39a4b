import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { minioVersion } from "../servers/minio.ts";
import { motoVersion } from "../servers/moto.ts";
import { natsProgram } from "../servers/nats.ts";
import { findProgram } from "../servers/server-process.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** Resolves to the version of the system that is on this machine. */
export type Version = () => Promise<string> | string;

const number = /\d+(?:\.\d+)+/;

/** What a program says of itself, asked with these arguments. */
function program(name: string, args: readonly string[], ...places: string[]): Version {
  return async () => {
    const path = findProgram(...places, name);
    if (path === undefined) throw new Error(`${name} is not installed`);
    const { stdout, stderr } = await run(path, args).catch((error: unknown) => {
      // Some end with a status that is not 0 after they have told it.
      if (error instanceof Error && "stdout" in error && "stderr" in error) return error;
      throw error;
    });
    const found = number.exec(`${String(stdout)}${String(stderr)}`)?.[0];
    if (found === undefined) throw new Error(`${path} does not tell its version`);
    return found;
  };
}

/** An npm package that the tests depend on. */
function npmPackage(name: string): Version {
  return () => {
    const path = join(root, "node_modules", name, "package.json");
    return String((JSON.parse(readFileSync(path, "utf8")) as { version: unknown }).version);
  };
}

const node: Version = () => process.versions.node;

/** The systems that bindings were tested with, by the names that `provedBy` has. A stand-in has no version. */
export const versions: Readonly<Record<string, Version>> = {
  "ActiveMQ Artemis": () =>
    number.exec(readFileSync(join(root, "test/servers/artemis.ts"), "utf8"))?.[0] ?? "",
  "Apache Kafka": () => {
    const pom = readFileSync(join(root, "test/servers/kafka/pom.xml"), "utf8");
    return /kafka_2\.13<\/artifactId>\s*<version>([\d.]+)/.exec(pom)?.[1] ?? "";
  },
  "Apache Gremlin Server": () => {
    const pom = readFileSync(join(root, "test/servers/gremlin/pom.xml"), "utf8");
    return /gremlin-server<\/artifactId>\s*<version>([\d.]+)/.exec(pom)?.[1] ?? "";
  },
  "Apache Dubbo": () => {
    const pom = readFileSync(join(root, "test/servers/dubbo/pom.xml"), "utf8");
    return (
      /org\.apache\.dubbo<\/groupId>\s*<artifactId>dubbo<\/artifactId>\s*<version>([\d.]+)/.exec(
        pom,
      )?.[1] ?? ""
    );
  },
  "Apache RocketMQ": () => {
    const pom = readFileSync(join(root, "test/servers/rocketmq/pom.xml"), "utf8");
    return /rocketmq-proxy<\/artifactId>\s*<version>([\d.]+)/.exec(pom)?.[1] ?? "";
  },
  Azurite: npmPackage("azurite"),
  "cosmosdb-server": npmPackage("@vercel/cosmosdb-server"),
  ElasticMQ: () => {
    const pom = readFileSync(join(root, "test/servers/elasticmq/pom.xml"), "utf8");
    return /elasticmq-server_2\.13<\/artifactId>\s*<version>([\d.]+)/.exec(pom)?.[1] ?? "";
  },
  Go: program("go", ["version"]),
  coreutils: program("sort", ["--version"]),
  Dovecot: program("dovecot", ["--version"], "/usr/sbin/dovecot"),
  "better-sse": npmPackage("better-sse"),
  "graphql-js": npmPackage("graphql"),
  "grpc-go": () => {
    const module = readFileSync(join(root, "test/servers/grpc-go/go.mod"), "utf8");
    return /google\.golang\.org\/grpc v([\d.]+)/.exec(module)?.[1] ?? "";
  },
  "Kubernetes API server": () => {
    const module = readFileSync(join(root, "test/servers/kube/go.mod"), "utf8");
    return /k8s\.io\/kubernetes v([\d.]+)/.exec(module)?.[1] ?? "";
  },
  "Linux file system": async () => number.exec((await run("uname", ["-r"])).stdout)?.[0] ?? "",
  MariaDB: program("mariadbd", ["--version"], "/usr/sbin/mariadbd"),
  MinIO: () => minioVersion,
  kinesalite: npmPackage("kinesalite"),
  moto: () => motoVersion,
  Mosquitto: program("mosquitto", ["-h"]),
  "Node.js HTTP": node,
  "Node.js timers": node,
  NATS: () => program(natsProgram() ?? "nats-server", ["--version"])(),
  OpenSSH: program("ssh", ["-V"]),
  PostgreSQL: program("postgres", ["--version"], "/usr/lib/postgresql/15/bin/postgres"),
  "fake-gcs-server": () => {
    const module = readFileSync(join(root, "test/servers/fake-gcs/go.mod"), "utf8");
    return /fsouza\/fake-gcs-server v([\d.]+)/.exec(module)?.[1] ?? "";
  },
  "Pub/Sub (pstest)": () => {
    const module = readFileSync(join(root, "test/servers/pstest/go.mod"), "utf8");
    return /cloud\.google\.com\/go\/pubsub v([\d.]+)/.exec(module)?.[1] ?? "";
  },
  RabbitMQ: async () =>
    number.exec(
      (await run("dpkg-query", ["-W", "-f=${Version}", "rabbitmq-server"])).stdout,
    )?.[0] ?? "",
  Redis: program("redis-server", ["--version"]),
  "smtp-server": npmPackage("smtp-server"),
  ws: npmPackage("ws"),
};
