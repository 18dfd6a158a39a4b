import { dovecot } from "./dovecot.ts";
import { artemis } from "./artemis.ts";
import { azureMessaging } from "./azure-messaging.ts";
import { azuriteBlob, azuriteQueue } from "./azurite.ts";
import { cosmosdb } from "./cosmosdb.ts";
import { dubbo } from "./dubbo.ts";
import { elasticmq } from "./elasticmq.ts";
import { fakeGcs } from "./fake-gcs.ts";
import { feed } from "./feed.ts";
import { gremlin } from "./gremlin.ts";
import { grpcGo } from "./grpc-go.ts";
import { kafka } from "./kafka.ts";
import type { Address, ServerKind } from "./kind.ts";
import { kinesalite } from "./kinesalite.ts";
import { kube } from "./kube.ts";
import { kubemq } from "./kubemq.ts";
import { mariadb } from "./mariadb.ts";
import { minio } from "./minio.ts";
import { moto } from "./moto.ts";
import { mosquitto } from "./mosquitto.ts";
import { nats } from "./nats.ts";
import { openssh } from "./openssh.ts";
import { postgres } from "./postgres.ts";
import { prometheus } from "./prometheus.ts";
import { pstest } from "./pstest.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";
import { rocketmq } from "./rocketmq.ts";
import { rocketmqProxy } from "./rocketmq-proxy.ts";
import { sls } from "./sls.ts";
import { vault } from "./vault.ts";
import { zeebe } from "./zeebe.ts";

/** Every kind of server that a test may ask for, by the name it asks with. */
export const kinds = {
  redis,
  rabbitmq,
  mosquitto,
  kafka,
  openssh,
  postgres,
  mariadb,
  artemis,
  "azure-messaging": azureMessaging,
  nats,
  "grpc-go": grpcGo,
  dovecot,
  feed,
  "azurite-blob": azuriteBlob,
  "azurite-queue": azuriteQueue,
  cosmosdb,
  moto,
  kinesalite,
  vault,
  elasticmq,
  gremlin,
  minio,
  prometheus,
  pstest,
  "fake-gcs": fakeGcs,
  sls,
  zeebe,
  kube,
  kubemq,
  dubbo,
  rocketmq,
  "rocketmq-proxy": rocketmqProxy,
};

type Kinds = typeof kinds;
export type ServerName = keyof Kinds;

type OptionsOf<Kind> = Kind extends ServerKind<infer Options, infer _, infer _> ? Options : never;
type ExtrasOf<Kind> = Kind extends ServerKind<infer _, infer Extras, infer _> ? Extras : never;
type OwnExtrasOf<Kind> = Kind extends ServerKind<infer _, infer _, infer Own> ? Own : never;

/** How a server of this kind may be configured. */
export type ServerOptions<Name extends ServerName> = OptionsOf<Kinds[Name]>;

/** A server that all tests of the run share. */
export type SharedServer<Name extends ServerName> = Address & ExtrasOf<Kinds[Name]>;

/** A server of one test, which may be stopped, killed and frozen. Disposing it ends it and removes its data. */
export type OwnServer<Name extends ServerName> = SharedServer<Name> &
  OwnExtrasOf<Kinds[Name]> &
  ServerControl;

/** The life of an own server. Address and data stay the same over all of it. */
export interface ServerControl extends AsyncDisposable {
  /** Process id of the server itself while it runs. */
  readonly pid: number | undefined;
  /** Starts it, and resolves once it answers its own protocol. Rejects with the end of its log. */
  start(): Promise<void>;
  /** Asks it to end (SIGTERM), and resolves once its process is gone. After 20 s it is killed. Data stays. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), and resolves once its process is gone. Data stays. */
  kill(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
  /** Freezes it (SIGSTOP): its sockets stay open and nothing answers. */
  pause(): void;
  /** Thaws it (SIGCONT). */
  resume(): void;
  /** The last lines it printed, 30 by default. */
  log(lines?: number): string;
}

/** The kind of this name, with its own types forgotten: for code that treats all alike. */
export function kindOf(name: ServerName): ServerKind<object, object, object> {
  return kinds[name];
}
