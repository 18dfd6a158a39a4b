import { bool, byPrefix, duration, integer, oneOf, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { entraFields } from "../../../metadata/entra-fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";
import { transportField } from "../messaging-fields.ts";

/** What a component's metadata can say. */
export const hubFields = {
  connectionString: string({
    description:
      "The connection string of the namespace, or of the hub (`EntityPath`). Not beside `eventHubNamespace`.",
    sensitive: true,
    example:
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=shop;SharedAccessKey=...;EntityPath=orders",
  }),
  eventHubNamespace: string({
    description:
      "The namespace, or its domain name, to log in with Entra ID. Not beside `connectionString`.",
    example: "shop.servicebus.windows.net",
  }),
  eventHub: string({
    description: "The hub, where the connection string does not name one.",
    example: "orders",
  }),
  consumerGroup: string({
    description: "The consumer group to read by. An input needs it.",
    direction: "input",
    aliases: ["consumerID"],
    example: "$Default",
  }),
  storageConnectionString: string({
    description:
      "The connection string of the storage account that keeps ownership and checkpoints.",
    direction: "input",
    sensitive: true,
    example: "DefaultEndpointsProtocol=https;AccountName=shopcheckpoints;AccountKey=...",
  }),
  storageAccountName: string({
    description: "The storage account, where there is no connection string of it.",
    direction: "input",
    example: "shopcheckpoints",
  }),
  storageAccountKey: string({
    description: "The account's key. Unset: log in with Entra ID.",
    direction: "input",
    sensitive: true,
  }),
  storageContainerName: string({
    description:
      "The container for ownership and checkpoints. An input needs it. It is made where it is not there.",
    direction: "input",
    example: "checkpoints",
  }),
  enableInOrderMessageDelivery: bool({
    description:
      "Handle all events of a partition one after another. Otherwise those of a partition key are.",
    direction: "input",
    default: "false",
  }),
  getAllMessageProperties: bool({
    description: "All properties of an event are its metadata, beside the system's.",
    direction: "input",
    default: "false",
  }),
  startFrom: oneOf(["latest", "earliest"], {
    description:
      "Where a partition without a checkpoint begins. Dapr has no such field, and begins with the latest.",
    direction: "input",
    default: "latest",
  }),
  loadBalancingInterval: duration({
    description:
      "How often ownership is renewed and shared with the other replicas. Dapr has no such field: its is 10 seconds.",
    direction: "input",
    default: "10s",
    positive: true,
  }),
  ownershipExpiration: duration({
    description:
      "When ownership that nobody renews ends: the same for all replicas. Dapr has no such field: its is a minute.",
    direction: "input",
    default: "1m",
    positive: true,
  }),
  timeoutInSec: integer({
    description: "Seconds that the service may take for an event.",
    default: "60",
    min: 1,
    max: 86_400,
  }),
  idleTimeout: duration({
    description:
      "The connection is lost when nothing came for this time; the service is asked for a heartbeat in each half of it. Dapr has no such field.",
    default: "30s",
    positive: true,
  }),
  ...entraFields,
  ...transportField,
  ...caCertField,
  enableEntityManagement: bool({
    description:
      "Make the hub and the consumer group where they are not there, by Azure Resource Manager. Only with Entra ID.",
    default: "false",
  }),
  subscriptionID: string({
    description: "The Azure subscription. Entity management needs it.",
    example: "cd4b2887-304c-47e1-b4d5-65447fdd542b",
  }),
  resourceGroupName: string({
    description: "The resource group of the namespace. Entity management needs it.",
    example: "shop",
  }),
  partitionCount: integer({
    description: "Of a hub that is made: how many partitions it has.",
    default: "1",
    min: 1,
    max: 1024,
  }),
  messageRetentionInDays: integer({
    description: "Of a hub that is made: how many days it keeps an event.",
    default: "1",
    min: 1,
    max: 90,
  }),
  managementUrl: string({
    description:
      "Where Azure Resource Manager is, for a private cloud. Default: that of the cloud. Dapr has no such field.",
    example: "https://management.shop.example",
  }),
} as const;

export type HubMetadata = Values<typeof hubFields>;

/** The request metadata of `create`. */
export const createFields = {
  partitionKey: string({
    description: "Events of the same key are in order, in one partition.",
    example: "customer-9",
  }),
  partitionId: string({ description: "The partition to send to. Not beside a key.", example: "0" }),
  contentType: string({ description: "The content type.", example: "application/json" }),
  headers: byPrefix(
    "header:",
    string({ description: "The property NAME of the event, always a string.", example: "eu" }),
  ),
} as const;

export type CreateRequest = Values<typeof createFields>;
