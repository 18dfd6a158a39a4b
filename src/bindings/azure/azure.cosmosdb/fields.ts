import { entraFields } from "../../../metadata/entra-fields.ts";
import { string } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

export const cosmosFields = {
  url: string({
    description: "The account's address.",
    required: true,
    example: "https://shop.documents.azure.com:443/",
  }),
  masterKey: string({
    description: "The account's key. Without it the component logs in to Microsoft Entra ID.",
    sensitive: true,
  }),
  database: string({ description: "The database.", required: true, example: "shop" }),
  collection: string({ description: "The container.", required: true, example: "orders" }),
  partitionKey: string({
    description:
      "The member of a document that is the container's partition key. Dots lead into objects.",
    required: true,
    example: "customer.id",
  }),
  ...entraFields,
  ...caCertField,
} as const;
