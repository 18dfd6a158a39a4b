import { entraFields } from "../../../metadata/entra-fields.ts";
import { duration, integer, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

/** The metadata of a component, as Dapr names it. */
export const eventGridFields = {
  topicEndpoint: string({
    description: "The endpoint of the topic that events are published to. Required to publish.",
    direction: "output",
    example: "https://orders.westeurope-1.eventgrid.azure.net/api/events",
  }),
  accessKey: string({
    description: "A key of the topic. Without it the component logs in to Entra ID.",
    sensitive: true,
    direction: "output",
  }),
  subscriberEndpoint: string({
    description:
      "The HTTPS URL by which Event Grid reaches this component. Without a path, `/api/events` is added. Required to read.",
    direction: "input",
    example: "https://shop.example.org/api/events",
  }),
  handshakePort: integer({
    description: "The port to listen on.",
    default: "8080",
    min: 0,
    max: 65_535,
    direction: "input",
  }),
  handshakeHost: string({
    description:
      "The address to listen on. Default: every interface, as in Dapr, which has no such field.",
    direction: "input",
    example: "127.0.0.1",
  }),
  scope: string({
    description: "The resource whose events are subscribed to. Required to read.",
    direction: "input",
    example:
      "/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/Microsoft.EventGrid/topics/{topic}",
  }),
  eventSubscriptionName: string({
    description:
      "The name of the event subscription, which is made if it does not exist and that is allowed. Default: the component's.",
    direction: "input",
    example: "orders",
  }),
  azureSubscriptionID: string({
    description:
      "The Azure subscription. Dapr requires it; here `scope` says it, and it is not used.",
    aliases: ["subscriptionID"],
    direction: "input",
    example: "cd4b2887-304c-47e1-b4d5-65447fdd542b",
  }),
  ...entraFields,
  azureTenantId: string({
    description: "The Entra tenant. Required to read: it signs the tokens of Event Grid.",
    aliases: ["spnTenantId", "tenantId"],
    example: "cd4b2887-304c-47e1-b4d5-65447fdd542b",
  }),
  azureClientId: string({
    description:
      "The client (application) id. Required to read: the tokens of Event Grid are made out to it.",
    aliases: ["spnClientId", "clientId"],
    example: "c7dd251f-811f-4ba2-a905-acd4d3f8f08b",
  }),
  managementEndpoint: string({
    description:
      "The URL of Azure Resource Manager. Default: that of the cloud. Dapr has no such field.",
    direction: "input",
    example: "https://management.azure.com",
  }),
  responseTimeout: duration({
    description:
      "The longest that a request waits for the app; then Event Grid is asked to send it again. It waits 30 s itself. Dapr has no such field.",
    default: "25s",
    positive: true,
    direction: "input",
  }),
  ...caCertField,
} as const;

export type EventGridMetadata = Values<typeof eventGridFields>;
