import { expect } from "vitest";
import rhea from "rhea";
import type { Message } from "rhea";
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import type { AzureNamespace } from "../../../servers/azure-messaging/server.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import type { Source } from "../../contract.ts";

export const bytes = (data: Uint8Array | string): unknown =>
  rhea.message.data_section(Buffer.from(data as string));

/** What a component needs to read a hub of the stand-in, with checkpoints in Azurite. */
export function hubProperties(
  namespace: AzureNamespace,
  storage: { readonly url: string },
  eventHub: string,
) {
  const { name, key } = azuriteAccount;
  const endpoint = `BlobEndpoint=${storage.url}/${name}`;
  return {
    connectionString: namespace.connectionString,
    eventHub,
    consumerGroup: "$Default",
    storageConnectionString: `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};${endpoint};`,
    storageContainerName: eventHub.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"),
    direction: "input",
    startFrom: "earliest",
  };
}

export function hubSource(
  storage: { readonly url: string },
  started: () => Promise<AzureNamespace>,
): Source {
  return {
    binding: eventhubs,
    largest: 1_000_000,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e"] },
    async place() {
      const namespace = await started();
      const eventHub = uniqueName("hub-4");
      const hub = namespace.hub(eventHub);
      const put = (message: object): void => hub.put(message as Message);
      return {
        properties: hubProperties(namespace, storage, eventHub),
        async send(data, key) {
          put({ body: bytes(data), message_annotations: { "x-opt-partition-key": key } });
        },
        async sendMarked() {
          put({
            body: bytes("x"),
            message_id: "m-1",
            message_annotations: {
              "x-opt-partition-key": "k",
              "iothub-connection-device-id": "device",
            },
            application_properties: { region: "eu", "x-opt-offset": "forged" },
          });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              "message-id": "m-1",
              "x-opt-sequence-number": "0",
              "x-opt-offset": "0",
              "x-opt-partition-key": "k",
              "iothub-connection-device-id": "device",
            });
            expect(metadata["x-opt-enqueued-time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
            expect(metadata["x-opt-partition-id"]).toMatch(/^[0-3]$/);
            expect(headers.map(({ name, value }) => [name, String(value)])).toEqual([
              ["region", "eu"],
              ["x-opt-offset", "forged"],
            ]);
          };
        },
      };
    },
  };
}
