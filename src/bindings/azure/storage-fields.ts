import { string } from "../../metadata/fields.ts";

/** What the storage services have in common. */
export const accountKeyField = string({
  description: "A key of the account. Without it the component logs in to Entra ID.",
  sensitive: true,
  aliases: ["accessKey", "storageAccessKey", "storageAccountKey"],
});

export const endpointField = string({
  description:
    "The URL of the service in place of Azure's own, as for an emulator; the account's name is put behind it.",
  aliases: ["storageEndpoint", "storageAccountEndpoint", "queueEndpointUrl"],
  example: "http://127.0.0.1:10001",
});
