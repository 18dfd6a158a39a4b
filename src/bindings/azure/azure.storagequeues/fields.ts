import { bool, duration, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { entraFields } from "../../../metadata/entra-fields.ts";
import { accountKeyField, endpointField } from "../storage-fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

/** The metadata of a component, as Dapr names it. */
export const queueFields = {
  accountName: string({
    description: "The storage account.",
    required: true,
    aliases: ["storageAccount", "storageAccountName"],
    example: "shop",
  }),
  accountKey: accountKeyField,
  queueName: string({
    description: "The queue. It is created if it does not exist and that is allowed.",
    required: true,
    aliases: ["queue", "storageAccountQueue"],
    example: "orders",
  }),
  endpoint: endpointField,
  queueEndpoint: string({
    description: "Another name of endpoint, which comes first.",
    example: "http://127.0.0.1:10001",
  }),
  ...entraFields,

  encodeBase64: bool({
    description: "Send the data in base64, as for data that are no text.",
    default: "false",
    direction: "output",
  }),
  ttl: string({
    description:
      "How long a message that nobody takes is kept, in whole seconds; a number without a unit is in seconds.",
    aliases: ["ttlInSeconds"],
    default: "10m",
    direction: "output",
  }),
  initialVisibilityDelay: duration({
    description: "How long a new message is invisible. Whole seconds.",
    default: "0s",
    direction: "output",
  }),

  decodeBase64: bool({
    description: "Read the messages' texts as base64.",
    default: "false",
    direction: "input",
  }),
  pollingInterval: duration({
    description: "How long to wait after the queue was empty, at least 100ms.",
    default: "10s",
    direction: "input",
  }),
  visibilityTimeout: duration({
    description:
      "How long a message that was read is invisible to others. It is renewed while the message is held. Whole seconds.",
    default: "30s",
    direction: "input",
  }),
  ...caCertField,
} as const;

export type QueueMetadata = Values<typeof queueFields>;

/** What a call says beside its data. The names of the first count in any case. */
export const createFields = {
  ttl: string({
    description:
      "How long the message is kept if nobody takes it; a number without a unit is in seconds. Default: the component's.",
    aliases: ["ttlInSeconds"],
    example: "60",
  }),
  initialVisibilityDelay: string({
    description: "How long the message is invisible. Default: the component's.",
    example: "30s",
  }),
} as const;
