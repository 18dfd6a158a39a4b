import { byteSize, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

export const commercetoolsFields = {
  region: string({
    description: "The region of the project, the first part of its hosts' names.",
    required: true,
    example: "europe-west1",
  }),
  provider: string({
    description: "The cloud that the region belongs to: `gcp` or `aws`.",
    required: true,
    example: "gcp",
  }),
  projectKey: string({ description: "The project's key.", required: true, example: "shop-prod" }),
  clientID: string({ description: "The API client's id.", required: true }),
  clientSecret: string({
    description: "The API client's secret.",
    required: true,
    sensitive: true,
  }),
  scopes: string({
    description: "The scopes to ask for, separated by spaces.",
    required: true,
    example: "view_products:shop-prod manage_orders:shop-prod",
  }),
  apiUrl: string({
    description:
      "The address of the HTTP API, for a test or a private host. Default: `https://api.REGION.PROVIDER.commercetools.com`. Dapr has no such field.",
    example: "https://api.europe-west1.gcp.commercetools.com",
  }),
  authUrl: string({
    description:
      "The address of the server of tokens. Default: `https://auth.REGION.PROVIDER.commercetools.com`. Dapr has no such field.",
    example: "https://auth.europe-west1.gcp.commercetools.com",
  }),
  maxResponseBodySize: byteSize({
    description:
      "The maximum size of an answer. A larger one is an error. Dapr has no such field and no limit.",
    default: "16Mi",
    within: "answer",
  }),
  ...caCertField,
} as const;

export type CommercetoolsMetadata = Values<typeof commercetoolsFields>;
