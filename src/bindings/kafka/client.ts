import type {
  API,
  Base,
  BaseOptions,
  ClusterMetadata,
  ClusterTopicMetadata,
  Connection,
} from "@platformatic/kafka";
import type * as driver from "@platformatic/kafka";
import { securityOf } from "./authentication.ts";
import type { LoginAccess } from "./aws-token.ts";
import type { KafkaMetadata } from "./fields.ts";

/** The driver, loaded when the first component needs it. */
export type Driver = typeof driver;

/**
 * What every client of a component is made with. Repetition is ours to decide, never the driver's. `access.hide` is told
 * which tokens and signatures must not be shown.
 */
export function clientOptions(metadata: KafkaMetadata, access: LoginAccess): BaseOptions {
  return {
    ...securityOf(metadata, access),
    clientId: metadata.clientId.replace(/\s+/g, "-") || "sarama",
    bootstrapBrokers: [...metadata.brokers],
    connectTimeout: orDefault(metadata.dialTimeout, 30_000),
    requestTimeout: orDefault(metadata.readTimeout, 30_000),
    metadataMaxAge: refreshInterval(metadata),
    // Asking about a topic must not make it: only the writer asks for that, at its own topic.
    autocreateTopics: false,
    retries: 0,
    retryDelay: 100,
    strict: false,
  };
}

/** A duration of zero or below means its default. */
export function orDefault(milliseconds: number, fallback: number): number {
  return milliseconds > 0 ? milliseconds : fallback;
}

/** How old what is known of topics may become, in milliseconds. */
export function refreshInterval(metadata: KafkaMetadata): number {
  return orDefault(metadata.clientConnectionTopicMetadataRefreshInterval, 60_000);
}

/** The newest version of a request that both sides speak. */
export function requestOf<Arguments extends unknown[], Answer>(
  driver: Driver,
  client: Base,
  name: string,
): Promise<API<Arguments, Answer>> {
  return new Promise((resolve, reject) => {
    client[driver.kGetApi]<Arguments, Answer>(name, (error, api) => {
      if (api === undefined) reject(error ?? new Error(`no broker answers ${name}`));
      else resolve(api);
    });
  });
}

/** The client's connection to a broker, made if there is none. */
export function connectionTo(
  driver: Driver,
  client: Base,
  cluster: ClusterMetadata,
  node: number,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const broker = cluster.brokers.get(node);
    if (broker === undefined) {
      reject(new driver.NetworkError(`Broker ${node} is not in the cluster at the moment`));
      return;
    }
    client[driver.kGetConnection](broker, (error, connection) => {
      if (connection === undefined)
        reject(error ?? new Error(`no connection to ${broker.host}:${broker.port}`));
      else resolve(connection);
    });
  });
}

/** A connection to any broker. */
export function anyConnection(driver: Driver, client: Base): Promise<Connection> {
  return new Promise((resolve, reject) => {
    client[driver.kGetBootstrapConnection]((error, connection) => {
      if (connection === undefined) reject(error ?? new Error("no broker can be connected to"));
      else resolve(connection);
    });
  });
}

/** What the cluster tells about topics; asked anew with `fresh`. No topic is made. */
export async function describeTopics(
  client: Base,
  topics: readonly string[],
  fresh: boolean,
): Promise<ClusterMetadata & { topics: Map<string, ClusterTopicMetadata> }> {
  // The driver sorts the list that it is given.
  return client.metadata({ topics: [...topics], forceUpdate: fresh });
}
