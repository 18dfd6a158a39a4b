import { startProxy } from "../../servers/proxy.ts";
import { sender, type OpenedSource, type Source } from "../opened-source.ts";
import { openTopic } from "./gcp-topic.ts";

/** A subscription that keeps the order, read with tokens of a server of its own. */
export const gcpPubsub: Source = {
  name: "gcp.pubsub",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const pubsub = await kit.servers.pstest(kit.ownServer);
    const { server } = pubsub;
    const proxy = await startProxy(server);
    const topic = await openTopic(pubsub, true);
    const { subscription, login, credentials } = topic;
    const { send, close } = sender(async () => {
      const client = topic.connect();
      return {
        send: (event) => client.publish({ data: JSON.stringify(event), key: event.key }),
        close: () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "subscription", type: "bindings.gcp.pubsub" },
        metadata: {
          ...{ projectID: "shop", subscription, direction: "input", ackDeadline: "10s" },
          endpoint: `http://${proxy.host}:${proxy.port}`,
          ...login,
        },
      },
      ordered: true,
      ...{ server, proxy, send, credentials },
      unreachable: { endpoint: "http://127.0.0.1:1" },
      async [Symbol.asyncDispose]() {
        await close();
        await topic[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
