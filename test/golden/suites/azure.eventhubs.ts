import rhea from "rhea";
import { setTimeout as pause } from "node:timers/promises";
import { azuriteAccount } from "../../servers/azurite.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { azureConnectionString, connectAzureSender } from "../../faults/sources/azure-sender.ts";
import { probe } from "../run-suite.ts";
import type { Call, Suite } from "../suite.ts";

/** Of the namespace, daprd and Cufflink ask our stand-in, of the checkpoints Azurite. */
export const azureEventhubs: Suite = {
  name: "azure.eventhubs",
  servers: ["azure-messaging", "azurite-blob"],
  async prepare({ servers }) {
    const place = servers["azure-messaging"];
    const port = Number(place.slice(place.lastIndexOf(":") + 1));
    const connectionString = azureConnectionString(place);
    const { name: account, key } = azuriteAccount;
    const [output, input] = [uniqueName("hub-1-out"), uniqueName("hub-1-in")];
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data: unknown = "x",
      binding = "out",
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const sender = await connectAzureSender<{ body: string; more?: object }>(
      port,
      input,
      ({ body, more }) => ({ body: rhea.message.data_section(Buffer.from(body)), ...more }),
    );
    return {
      components: [
        {
          ...{ name: "out", type: "bindings.azure.eventhubs" },
          metadata: {
            connectionString: `${connectionString};EntityPath=${output}`,
            direction: "output",
          },
        },
        {
          ...{ name: "in", type: "bindings.azure.eventhubs" },
          metadata: {
            ...{ connectionString: `${connectionString};EntityPath=${input}`, direction: "input" },
            ...{ consumerID: "shop", getAllMessageProperties: "true" },
            storageConnectionString: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=http://${servers["azurite-blob"]}/${account}`,
            storageAccountName: account,
            storageContainerName: input.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"),
          },
        },
      ],
      names: [
        [output, "{out}"],
        [input, "{in}"],
        [/(?<="x-opt-(sequence-number|offset)":")\d+/gi, "{n}"],
        [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "{time}"],
      ],
      calls: [
        one("create", "create"),
        one("create of an object", "create", {}, { a: 1 }),
        one("create with a key and a content type", "create", {
          ...{ partitionKey: "customer-9", contentType: "application/json" },
        }),
        one("an operation that is not there", "get"),
        one("an input is no output", "create", {}, "x", "in"),
      ],
      inputs: ["in"],
      events: 3,
      async send(arrived) {
        // It begins behind the newest event.
        while (!arrived()) {
          await sender.send({ body: probe });
          await pause(100);
        }
        await sender.send({ body: "text" });
        await sender.send({
          body: '{"b":1, "a":2}',
          more: {
            message_id: "m-1",
            message_annotations: { "x-opt-partition-key": "customer-9" },
            application_properties: { region: "eu", count: 3, urgent: true },
          },
        });
        await sender.send({
          body: "of a device",
          more: {
            message_annotations: {
              "iothub-connection-device-id": "device",
              "iothub-connection-auth-method": '{"scope":"device"}',
              "iothub-enqueuedtime": rhea.types.wrap_timestamp(1_893_499_200_000),
            },
          },
        });
      },
      close: () => sender.close(),
    };
  },
};
