import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reservePort } from "../servers/ports.ts";
import type { ServerName } from "../servers/kinds.ts";
import { AppProcess, type AppMode } from "./app-process.ts";
import type { CellContext } from "./faults.ts";
import type { CellResources, OpenedSource, Source } from "./opened-source.ts";
import { RuntimeProcess } from "./runtime-process.ts";
import type { Servers } from "./servers.ts";

export type FixtureOptions = {
  readonly servers: Servers;
  readonly slot: number;
  /** Default `grpc`. */
  readonly mode?: AppMode | undefined;
  readonly ownServer?: boolean | undefined;
  readonly credentials?: boolean | undefined;
  readonly ownDisk?: boolean | undefined;
};

/** A place, a runtime and an app that belong together, none of them started. Disposing it ends them all. */
export type Fixture = CellContext &
  AsyncDisposable & {
    /** Leaves its folder, with the logs, where it is. */
    keep(): void;
  };

export async function openFixture(source: Source, options: FixtureOptions): Promise<Fixture> {
  const { servers, slot, mode = "grpc" } = options;
  const { ownServer = false, credentials = false, ownDisk = false } = options;
  const server = serverOf(source);
  const turn = ownServer && server !== undefined ? await servers.turn(server) : undefined;
  const folder = await mkdtemp(join(tmpdir(), `cufflink-faults-${source.name}-`));
  const appPort = await reservePort();
  const runtime = await RuntimeProcess.prepare(folder, {
    app: mode === "stream" ? undefined : appPort,
    protocol: mode === "http" ? "http" : "grpc",
  });
  const kit: CellResources = { servers, slot, folder, runtime, ownServer, credentials, ownDisk };
  const opened = await source.opened(kit);
  const port = mode === "stream" ? runtime.grpcPort : appPort;
  const app = new AppProcess({ mode, port, folder, bindings: namesOf(opened) });
  let keep = false;
  return {
    ...{ runtime, app, opened, folder },
    keep() {
      keep = true;
    },
    async [Symbol.asyncDispose]() {
      runtime.signal("SIGKILL");
      await app.kill();
      await runtime.ended;
      await opened[Symbol.asyncDispose]();
      turn?.[Symbol.dispose]();
      if (!keep) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The kind of server by the source, or its binding, where it is not called as that. */
const servers: Readonly<Record<string, ServerName>> = {
  amqp: "artemis",
  "aws.kinesis": "kinesalite",
  "aws.s3": "moto",
  "aws.s3-notified": "elasticmq",
  "alicloud.sls": "sls",
  "aws.sqs": "elasticmq",
  "azure.blobstorage": "azurite-blob",
  "azure.blobstorage-notified": "azurite-queue",
  "azure.eventhubs": "azure-messaging",
  "azure.servicebus.queues": "azure-messaging",
  "gcp.bucket": "fake-gcs",
  "gcp.bucket-notified": "pstest",
  "gcp.pubsub": "pstest",
  http: "feed",
  imap: "dovecot",
  kafka: "kafka",
  kubemq: "kubemq",
  mqtt3: "mosquitto",
  mqtt5: "mosquitto",
  nats: "nats",
  postgres: "postgres",
  rabbitmq: "rabbitmq",
  redis: "redis",
  rocketmq: "rocketmq-proxy",
  "redis.streams": "redis",
  sftp: "openssh",
  sse: "feed",
  websocket: "feed",
  "zeebe.jobworker": "zeebe",
};

/** The kind of server that a source has its events from. Its name begins with that of its binding; a dash follows. */
export function serverOf({ name }: Source): ServerName | undefined {
  return servers[name] ?? servers[name.split("-", 1).join()];
}

/** The names of all components of a place. */
export function namesOf({ component, more = [] }: OpenedSource): string[] {
  return [component, ...more].map(({ name }) => name);
}
