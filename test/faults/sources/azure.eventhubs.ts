import rhea from "rhea";
import { azuriteAccount } from "../../servers/azurite.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { azureConnectionString, azureKey, connectAzureSender, controlKey } from "./azure-sender.ts";

/** A hub of four partitions, which is read in the order of each partition key; its checkpoints are in Azurite. */
export const eventhubs: Source = {
  name: "azure.eventhubs",
  // What the app has, and what was handled within the half second since the last checkpoint.
  bounds: { app: 64, runtime: 100, server: 100 },
  async opened(kit) {
    const server = await kit.servers.azureMessaging(kit.ownServer);
    const storage = await kit.servers.azuriteBlob(false);
    const proxy = await startProxy(server);
    const eventHub = uniqueName("hub-4");
    const keyName = `${azureKey.name}-${uniqueName("key")}`;
    const { send, close } = sender(() =>
      connectAzureSender(server.port, eventHub, (event) => ({
        message_annotations: { "x-opt-partition-key": event.key },
        body: rhea.message.data_section(Buffer.from(JSON.stringify(event))),
      })),
    );
    const { name, key } = azuriteAccount;
    return {
      component: {
        ...{ name: "hub", type: "bindings.azure.eventhubs" },
        metadata: {
          connectionString: azureConnectionString(`${proxy.host}:${proxy.port}`, keyName),
          ...{ eventHub, consumerGroup: "$Default", startFrom: "earliest", direction: "input" },
          storageConnectionString: `AccountName=${name};AccountKey=${key};BlobEndpoint=${storage.url}/${name}`,
          storageContainerName: eventHub.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"),
          // What a killed runtime has had comes again soon.
          ...{ loadBalancingInterval: "500ms", ownershipExpiration: "3s" },
          ...{ timeoutInSec: "5", idleTimeout: "4s" },
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { connectionString: azureConnectionString(unreachableAddress) },
      credentials: {
        async revoke() {
          await controlKey(server.port, { revoke: keyName });
          proxy.cut();
        },
        restore: () => controlKey(server.port, { restore: keyName }),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
