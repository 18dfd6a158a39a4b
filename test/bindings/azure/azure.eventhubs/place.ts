import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { CheckpointStore } from "../../../../src/bindings/azure/azure.eventhubs/checkpoint-store.ts";
import { readSharedKey } from "../../../../src/bindings/azure/shared-key.ts";
import { StorageClient } from "../../../../src/bindings/azure/storage-client.ts";
import { MemoryBudget } from "../../../../src/memory/budget.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { endAfterTest } from "../../contract.ts";
import { openQueue } from "../../opened-queue.ts";
import { startNamespace } from "../namespace.ts";
import { bytes, hubProperties } from "./contract-source.ts";

/** A hub of its own with checkpoints in Azurite, and a look into both. */
export async function hubPlace(
  storage: { readonly url: string },
  partitions = 1,
  more: Readonly<Record<string, string>> = {},
) {
  const namespace = await startNamespace();
  const eventHub = uniqueName(`hub-${partitions}`);
  const hub = namespace.hub(eventHub);
  const put = (id: string, text: string, message: object = {}): void =>
    hub.put({ body: bytes(text), ...message }, id);
  const properties = {
    ...hubProperties(namespace, storage, eventHub),
    ...{ loadBalancingInterval: "100ms", ...more },
  };
  const client = await StorageClient.open({
    url: `${storage.url}/${azuriteAccount.name}`,
    login: { sharedKey: readSharedKey(azuriteAccount.name, azuriteAccount.key) },
    memory: new MemoryBudget().share("test"),
    hide: undefined,
  });
  endAfterTest(() => client[Symbol.asyncDispose]());
  const container = properties.storageContainerName;
  const group = { namespace: `127.0.0.1:${namespace.port}`, hub: eventHub, group: "$Default" };
  const store = new CheckpointStore(client, container, group);
  /** What a blob of the group says. */
  const blob = async (kind: "ownership" | "checkpoint", partition: string) => {
    const path = [container, `${group.namespace}/${eventHub}/$Default/${kind}/${partition}`];
    const { headers } = await client.send("reading", { method: "HEAD", path }, signal());
    return headers;
  };
  const open = (own: Readonly<Record<string, string>> = {}) =>
    openQueue(eventhubs, { ...properties, ...own }, { directions: { input: true, output: false } });
  return { namespace, eventHub, hub, put, properties, store, client, container, blob, open };
}

export const signal = (): AbortSignal => AbortSignal.timeout(10_000);
