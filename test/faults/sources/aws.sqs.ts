import { makeQueue } from "../../bindings/aws/aws.sqs/contract-source.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** Seconds. */
const visibility = 5;

/** A FIFO queue on disk, read in the order of each message group. */
export const sqs: Source = {
  name: "aws.sqs",
  bounds: {
    ...{ app: 64, runtime: 64 },
    // A server that is killed forgets which messages were received, and the deletions of its last moment.
    server: 64,
  },
  async opened(kit) {
    const server = await kit.servers.elasticmq(kit.ownServer);
    const proxy = await startProxy(server);
    const queue = await makeQueue(server, { fifo: true });
    const { send, close } = sender(async () => ({
      async send(event) {
        await queue.send(JSON.stringify(event), event.key);
      },
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "queue", type: "bindings.aws.sqs" },
        metadata: {
          ...queue.properties,
          endpoint: `http://${proxy.host}:${proxy.port}`,
          ...{ direction: "input", visibilityTimeout: `${visibility}s`, waitTime: "5s" },
        },
      },
      // Where it ends ElasticMQ forgets which groups are locked, and gives later messages out first.
      ordered: !kit.ownServer,
      ...{ server, proxy, send },
      unreachable: { endpoint: `http://${unreachableAddress}` },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
