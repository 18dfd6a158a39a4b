import { propertiesOf } from "../../bindings/rocketmq/contract-source.ts";
import { rocketmqPeer } from "../../bindings/rocketmq/peer.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A topic of the type FIFO, which an orderly group reads. */
export const rocketmq: Source = {
  name: "rocketmq",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const server = await kit.servers.rocketmqProxy(kit.ownServer);
    const proxy = await startProxy(server);
    const topic = uniqueName("fifo-orders");
    const { send, close } = sender(async () => {
      const peer = rocketmqPeer(server);
      return {
        async send(event) {
          await peer.send(topic, JSON.stringify(event), { group: event.key });
        },
        close: async () => undefined,
      };
    });
    return {
      component: {
        ...{ name: "topic", type: "bindings.rocketmq" },
        metadata: {
          ...propertiesOf(proxy, topic, uniqueName("fifo-shop")),
          direction: "input",
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { proxyEndpoint: unreachableAddress },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
