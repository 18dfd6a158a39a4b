import { bool, byPrefix, duration, integer, oneOf, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { entraFields } from "../../../metadata/entra-fields.ts";
import { caField } from "../messaging-access.ts";

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
    description: "The namespace, or its domain name, to log in with Entra ID.",
    example: "shop.servicebus.windows.net",
  }),
  eventHub: string({
    description: "The hub, where the connection string does not name one.",
    example: "orders",
  }),
  consumerGroup: string({
    description: "The consumer group to read by.",
    direction: "input",
    aliases: ["consumerID"],
    required: true,
    example: "$Default",
  }),
  storageConnectionString: string({
    description:
      "The connection string of the storage account that keeps ownership and checkpoints.",
    direction: "input",
    sensitive: true,
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
    description: "The container for ownership and checkpoints. It is made where it is not there.",
    direction: "input",
    required: true,
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
    description: "Where a partition without a checkpoint begins. Dapr begins with the latest.",
    direction: "input",
    default: "latest",
  }),
  loadBalancingInterval: duration({
    description:
      "How often ownership is renewed and shared with the other replicas. Dapr's is 10 seconds.",
    direction: "input",
    default: "10s",
    positive: true,
  }),
  ownershipExpiration: duration({
    description:
      "When ownership that nobody renews ends. It must be the same for all replicas; Dapr's is a minute.",
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
    description: "The connection is lost when nothing came for this time.",
    default: "30s",
    positive: true,
  }),
  ...entraFields,
  caCert: caField,
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
