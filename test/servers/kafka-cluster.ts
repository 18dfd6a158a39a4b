import { startProxy, type Proxy } from "./proxy.ts";
import { releasePort, reservePort } from "./ports.ts";
import type { OwnServer } from "./kinds.ts";
import { prepareServer } from "./start-server.ts";

/** Three Kafka brokers. Clients reach each through a proxy of its own, while the brokers talk to each other directly. */
export interface KafkaCluster extends AsyncDisposable {
  /** What clients begin with: the proxies, `host:port` joined by commas. */
  readonly brokers: string;
  /** The first is the controller too: while it is down, the others elect no leader. */
  readonly nodes: readonly OwnServer<"kafka">[];
  readonly proxies: readonly Proxy[];
  /** Where clients begin that log in by SASL PLAIN, as user `shop` with the password `secret`; no proxy is between. */
  readonly saslBrokers: string;
  /** Creates a topic on all three with this many partitions. One broker suffices for its writes to be acknowledged. */
  createTopic(name: string, partitions: number): Promise<void>;
}

const jaas = "org.apache.kafka.common.security.plain.PlainLoginModule";
const properties = {
  "offsets.topic.replication.factor": "3",
  "default.replication.factor": "3",
  "min.insync.replicas": "1",
  // A broker that was killed is noticed soon, and so is one that is back.
  "broker.session.timeout.ms": "3000",
  "broker.heartbeat.interval.ms": "500",
  "sasl.enabled.mechanisms": "PLAIN",
  "listener.name.sasl.plain.sasl.jaas.config": `${jaas} required user_shop="secret";`,
};

/** Starts the three, the controller first. */
export async function startKafkaCluster(): Promise<KafkaCluster> {
  await using opened = new AsyncDisposableStack();
  const nodes: OwnServer<"kafka">[] = [];
  const proxies: Proxy[] = [];
  const saslAddresses: string[] = [];
  for (const id of [1, 2, 3]) {
    const [port, saslPort] = [await reservePort(), await reservePort()];
    opened.defer(async () => {
      await releasePort(port);
      await releasePort(saslPort);
    });
    const outside = { host: "127.0.0.1", port };
    const proxy = opened.use(await startProxy(outside));
    const first = nodes[0];
    const node = await prepareServer("kafka", {
      properties,
      moreListeners: {
        OUTSIDE: {
          protocol: "PLAINTEXT",
          address: `${outside.host}:${outside.port}`,
          advertised: `${proxy.host}:${proxy.port}`,
        },
        SASL: { protocol: "SASL_PLAINTEXT", address: `${outside.host}:${saslPort}` },
      },
      ...(first === undefined ? {} : { joins: { id, controller: first.controller } }),
    });
    opened.use(node);
    nodes.push(node);
    proxies.push(proxy);
    saslAddresses.push(`${outside.host}:${saslPort}`);
  }
  // A broker counts as started once it has registered, and that needs the controller.
  await Promise.all(nodes.map((node) => node.start()));
  const kept = opened.move();
  return {
    brokers: proxies.map(({ host, port }) => `${host}:${port}`).join(","),
    nodes,
    proxies,
    saslBrokers: saslAddresses.join(","),
    async createTopic(name, partitions) {
      await nodes[0]?.createTopic(name, partitions, 3);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
