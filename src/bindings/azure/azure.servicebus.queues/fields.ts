import { bool, duration, integer, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { entraFields } from "../../../metadata/entra-fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";
import { transportField } from "../messaging-fields.ts";

/** What a component's metadata can say. */
export const queueFields = {
  connectionString: string({
    description:
      "The connection string of the namespace, or of the queue. Not beside `namespaceName`.",
    sensitive: true,
    example:
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=shop;SharedAccessKey=...",
  }),
  namespaceName: string({
    description: "The namespace's domain name, to log in with Entra ID.",
    example: "shop.servicebus.windows.net",
  }),
  queueName: string({
    description: "The queue. Its name is the same in any case.",
    required: true,
    example: "orders",
  }),
  ...entraFields,
  ...transportField,
  ...caCertField,
  timeoutInSec: integer({
    description: "Seconds that the service may take for a message or a request.",
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
  requireSessions: bool({
    description:
      "The queue has sessions: they are read one by one, each in order, and the session id is the event's key. Dapr's binding reads no such queue.",
    direction: "input",
    default: "false",
  }),
  maxConcurrentSessions: integer({
    description: "How many sessions are read at one time.",
    direction: "input",
    default: "8",
    min: 1,
    max: 1000,
  }),
  sessionIdleTimeoutInSec: integer({
    description: "Seconds without a message after which a session makes room for another.",
    direction: "input",
    default: "60",
    min: 1,
    max: 86_400,
  }),
  maxActiveMessages: integer({
    description:
      "The most messages that are locked at one time. 1: one after another, in the order of the queue.",
    direction: "input",
    default: "1",
    min: 1,
    max: 65_535,
  }),
  maxConcurrentHandlers: integer({
    description:
      "The most messages that the app has at one time; no more are locked. 0: as `maxActiveMessages` says.",
    direction: "input",
    default: "1",
    min: 0,
    max: 65_535,
  }),
  lockRenewalInSec: integer({
    description:
      "Seconds after which the lock of a message or session that is here is renewed. 0: never.",
    direction: "input",
    default: "20",
    min: 0,
    max: 86_400,
  }),
  handlerTimeoutInSec: integer({
    description: "Seconds that the app may take for an event. 0: as the component's policy says.",
    direction: "input",
    default: "0",
    min: 0,
    max: 86_400,
  }),
  maxRetriableErrorsPerSec: integer({
    description: "Accepted for Dapr's sake: the pauses between attempts are the policy's.",
    direction: "input",
    default: "10",
    min: 0,
  }),
  minConnectionRecoveryInSec: integer({
    description: "Accepted for Dapr's sake: the runtime connects anew with its own pauses.",
    default: "2",
    min: 0,
  }),
  maxConnectionRecoveryInSec: integer({
    description: "Accepted for Dapr's sake: the runtime connects anew with its own pauses.",
    default: "300",
    min: 0,
  }),
  disableEntityManagement: bool({
    description: "Do not make the queue. Otherwise it is made where it is not there.",
    default: "false",
  }),
  managementUrl: string({
    description:
      "Where the HTTP API that makes queues is, for a private cloud. Default: https:// and the namespace. Dapr has no such field.",
    example: "https://servicebus.shop.example",
  }),
  maxDeliveryCount: integer({
    description:
      "Of a queue that is made: deliveries before the dead letters. Default: Azure's, 10.",
    min: 1,
    max: 2_147_483_647,
    example: "10",
  }),
  lockDurationInSec: integer({
    description: "Of a queue that is made: seconds of a lock. Default: Azure's, 60.",
    min: 1,
    max: 300,
    example: "30",
  }),
  defaultMessageTimeToLiveInSec: integer({
    description: "Of a queue that is made: seconds that a message may wait. Default: Azure's.",
    aliases: ["ttlInSeconds", "ttl"],
    min: 1,
    example: "86400",
  }),
  autoDeleteOnIdleInSec: integer({
    description: "Of a queue that is made: seconds without use after which Azure deletes it.",
    min: 300,
    example: "3600",
  }),
  publishMaxRetries: integer({
    description: "How often a message is sent again that the service was too busy for.",
    direction: "output",
    default: "5",
    min: 0,
    max: 1000,
  }),
  publishInitialRetryIntervalInMs: integer({
    description: "Milliseconds before it is sent again, growing from time to time.",
    direction: "output",
    aliases: ["publishInitialRetryInternalInMs"],
    default: "500",
    min: 1,
  }),
} as const;

export type QueueMetadata = Values<typeof queueFields>;

/** The request metadata of `create`. All other metadata are the message's application properties. */
export const createFields = {
  MessageId: string({ description: "The message's id.", aliases: ["id"], example: "order-17" }),
  CorrelationId: string({
    description: "The correlation id.",
    aliases: ["correlationID"],
    example: "request-4",
  }),
  SessionId: string({
    description: "The session, whose messages are handled in order.",
    example: "customer-9",
  }),
  PartitionKey: string({
    description: "The partition key; the session id, where there is one.",
    example: "customer-9",
  }),
  Label: string({ description: "The label (subject).", example: "order.created" }),
  ReplyTo: string({ description: "The address for answers.", example: "answers" }),
  ReplyToSessionId: string({ description: "The session for answers.", example: "customer-9" }),
  To: string({ description: "The address that the message is meant for.", example: "orders" }),
  ContentType: string({ description: "The content type.", example: "application/json" }),
  ScheduledEnqueueTimeUtc: string({
    description: "When the message is to be put into the queue, as RFC 3339 or as an HTTP date.",
    example: "2030-01-01T12:00:00Z",
  }),
  ttlInSeconds: integer({
    description: "Seconds after which the message expires.",
    aliases: ["ttl"],
    min: 1,
    example: "60",
  }),
} as const;

export type CreateRequest = Values<typeof createFields>;

/** Names that are no application property. */
export const reservedNames: ReadonlySet<string> = new Set(
  Object.entries(createFields).flatMap(([name, { aliases }]) => [name, ...aliases]),
);
