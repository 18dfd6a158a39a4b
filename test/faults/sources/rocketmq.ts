import { propertiesOf } from "../../bindings/rocketmq/contract-source.ts";
import { rocketmqPeer } from "../../bindings/rocketmq/peer.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import {
  sender,
  unreachableAddress,
  type CellResources,
  type OpenedSource,
  type Source,
} from "../opened-source.ts";

/** A topic of the type FIFO, which an orderly group reads. */
export const rocketmq: Source = source("rocketmq", true);
/** A topic and a group without order. */
export const rocketmqNormal: Source = source("rocketmq-normal", false);

function source(name: string, ordered: boolean): Source {
  return {
    ...{ name, bounds: { app: 64, runtime: 64, server: 64 } },
    opened: (kit) => opened(kit, ordered),
  };
}

async function opened(kit: CellResources, ordered: boolean): Promise<OpenedSource> {
  const server = await kit.servers.rocketmqProxy(kit.ownServer);
  const proxy = await startProxy(server);
  const topic = uniqueName(ordered ? "fifo-orders" : "orders");
  const { send, close } = sender(async () => {
    const peer = rocketmqPeer(server);
    return {
      async send(event) {
        await peer.send(topic, JSON.stringify(event), ordered ? { group: event.key } : {});
      },
      close: async () => undefined,
    };
  });
  return {
    component: {
      ...{ name: "topic", type: "bindings.rocketmq" },
      metadata: {
        ...propertiesOf(proxy, topic, uniqueName(ordered ? "fifo-shop" : "shop")),
        direction: "input",
      },
    },
    ordered,
    ...{ server, proxy, send },
    unreachable: { proxyEndpoint: unreachableAddress },
    async [Symbol.asyncDispose]() {
      await close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
