import { makeQueue, queueProperties } from "../../bindings/azure/queue-source.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { endedForKilled } from "./azurite.ts";

/** A queue of Azurite, which keeps no order. */
export const azureStorageQueues: Source = {
  name: "azure.storagequeues",
  bounds: { app: 64, runtime: 64 + 16, server: 64 },
  async opened(kit) {
    const server = await kit.servers.azuriteQueue(kit.ownServer);
    const proxy = await startProxy(server);
    const queue = await makeQueue(server);
    const { send, close } = sender(async () => ({
      async send(event) {
        await queue.sendMessage(JSON.stringify(event), { messageTimeToLive: -1 });
      },
      close: () => Promise.resolve(),
    }));
    const at = (place: string) => queueProperties({ url: `http://${place}` }, queue.queueName);
    return {
      component: {
        ...{ name: "jobs", type: "bindings.azure.storagequeues" },
        metadata: {
          ...at(`${proxy.host}:${proxy.port}`),
          ...{ direction: "input", visibilityTimeout: "5s" },
        },
      },
      ordered: false,
      server: endedForKilled(server),
      ...{ proxy, send },
      unreachable: at(unreachableAddress),
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
