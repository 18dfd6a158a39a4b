import { QueueServiceClient, StorageSharedKeyCredential } from "@azure/storage-queue";
import { expect } from "vitest";
import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { azuriteAccount } from "../../servers/azurite.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Source } from "../contract.ts";

type Server = { readonly url: string };

/** Microsoft's own client of a queue that no other test uses. */
export async function makeQueue(server: Server, { create = true } = {}) {
  const { name, key } = azuriteAccount;
  const service = new QueueServiceClient(
    `${server.url}/${name}`,
    new StorageSharedKeyCredential(name, key),
    // Takes a restart of its server between two calls.
    { retryOptions: { maxTries: 5, retryDelayInMs: 200 } },
  );
  const queueName = uniqueName("orders")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  const queue = service.getQueueClient(queueName);
  if (create) await queue.create();
  return Object.assign(queue, { queueName, properties: queueProperties(server, queueName) });
}

export function queueProperties(server: Server, queueName: string): Record<string, string> {
  return {
    accountName: azuriteAccount.name,
    accountKey: azuriteAccount.key,
    queueEndpointUrl: server.url,
    queueName,
    pollingInterval: "100ms",
  };
}

export function storageQueueSource(server: Server): Source {
  return {
    binding: storageQueues,
    // A message has 64 KiB at most, in base64 and with its XML.
    largest: 47 * 1024,
    async place() {
      const queue = await makeQueue(server);
      const properties = { ...queue.properties, decodeBase64: "true", visibilityTimeout: "2s" };
      const send = async (data: Uint8Array | string): Promise<void> => {
        await queue.sendMessage(Buffer.from(data).toString("base64"), { messageTimeToLive: -1 });
      };
      return {
        properties,
        send: (data) => send(data),
        async sendMarked() {
          const text = Buffer.from("x").toString("base64");
          const sent = await queue.sendMessage(text, { messageTimeToLive: 3600 });
          return ({ metadata, id }) => {
            expect(id).toBe(sent.messageId);
            expect(metadata).toEqual({
              messageID: sent.messageId,
              popReceipt: expect.stringMatching(/./) as string,
              insertionTime: sent.insertedOn.toISOString().replace(".000Z", "Z"),
              expirationTime: sent.expiresOn.toISOString().replace(".000Z", "Z"),
              nextVisibleTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
              dequeueCount: "1",
            });
          };
        },
      };
    },
  };
}
