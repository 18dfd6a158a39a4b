import { account, LogClient } from "../../bindings/alicloud/alicloud.sls/client.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A Logstore of four shards, each read in its order. */
export const sls: Source = {
  name: "alicloud.sls",
  bounds: { app: 64, runtime: 192, server: 192 },
  async opened(kit) {
    const server = await kit.servers.sls(kit.ownServer);
    const proxy = await startProxy(server);
    const client = new LogClient(server);
    const logstore = uniqueName("orders").toLowerCase();
    await client.createLogstore(logstore, 4);
    const { send, close } = sender(async () => ({
      send: (event) => client.put(logstore, { content: JSON.stringify(event) }, { key: event.key }),
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "logs", type: "bindings.alicloud.sls" },
        metadata: {
          ...{ ...account, logstore, endpoint: `http://${proxy.host}:${proxy.port}` },
          ...{ direction: "input", startFrom: "oldest", dataKey: "content" },
          ...{ consumerGroup: "members", consumerName: "one", heartbeatInterval: "2s" },
        },
      },
      ...{ ordered: true, server, proxy, send },
      unreachable: { endpoint: `http://${unreachableAddress}` },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
