import { bool, byPrefix, duration, integer, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

/** What an AMQP 1.0 component's metadata can say. */
export const amqpFields = {
  url: string({
    description:
      "The server: amqp://USER:PASSWORD@HOST:PORT (5672), or amqps:// for TLS (5671). User and password may be in `username` and `password` instead.",
    required: true,
    sensitive: true,
    example: "amqps://artemis:5671",
  }),
  address: string({
    description: "The queue or topic to read from and to send to.",
    required: true,
    example: "orders",
  }),
  username: string({
    description: "The user for SASL PLAIN. Replaces the one of `url`.",
    example: "shop",
  }),
  password: string({
    description: "The user's password. Replaces the one of `url`.",
    sensitive: true,
  }),
  saslMechanism: oneOf(["plain", "external", "anonymous"], {
    description:
      "How to authenticate. Unset: `plain` with a user, else `external` with a client certificate, else `anonymous`.",
    example: "external",
  }),
  vhost: string({
    description:
      "The virtual host, sent as the connection's `hostname` (RabbitMQ: `vhost:NAME`). Unset: the host of `url`.",
    example: "vhost:shop",
  }),
  caCert: string({
    description: "The authorities to trust, for amqps: PEM text, or the path of a file of it.",
    example: "/certificates/ca.pem",
  }),
  clientCert: string({
    description: "The client's certificate: PEM text, or the path of a file of it.",
    example: "/certificates/shop.pem",
  }),
  clientKey: string({
    description: "The key of the client's certificate: PEM text, or the path of a file of it.",
    sensitive: true,
  }),
  capability: oneOf(["queue", "topic"], {
    description:
      "Ask the server for a queue or a topic, where it makes what is not there or has both. Unset: the server decides.",
    example: "queue",
  }),
  subscriptionName: string({
    description:
      "Read a topic by the durable subscription of this name, which keeps messages while nobody reads it. Needs `containerId`, unless it is shared.",
    direction: "input",
    example: "shop-orders",
  }),
  sharedSubscription: bool({
    description: "Several processes read the subscription together, each message by one of them.",
    direction: "input",
    default: "false",
  }),
  containerId: string({
    description:
      "The name of the reader's connection, to which a durable subscription belongs. Each process needs its own. Unset: made up.",
    direction: "input",
    example: "shop-1",
  }),
  selector: string({
    description: "Read only messages that match this JMS selector, where the server has them.",
    direction: "input",
    example: "priority > 4",
  }),
  linkCredit: integer({
    description:
      "Maximum number of unsettled messages. 0: as many as the runtime has room for. 1: one after another, in order.",
    direction: "input",
    default: "0",
    min: 0,
    max: 65_535,
  }),
  returnAs: oneOf(["modified", "released"], {
    description:
      "How a message is returned whose attempts failed: `modified` with `delivery-failed`, which the server counts, or `released`, which it does not. Unset: `modified`, but for RabbitMQ 3, which ends the session of who modifies.",
    direction: "input",
    example: "released",
  }),
  bodyType: oneOf(["data", "string"], {
    description:
      "The body of sent messages: bytes (a JMS BytesMessage), or a string of UTF-8 (a JMS TextMessage), unless the request says.",
    direction: "output",
    default: "data",
  }),
  durable: bool({
    description: "Send messages as durable, unless the request says.",
    direction: "output",
    default: "true",
  }),
  contentType: string({
    description: "The content type of sent messages, unless the request has one.",
    direction: "output",
    example: "application/json",
  }),
  idleTimeout: duration({
    description:
      "The connection is lost when nothing came for this time; the server is asked for a heartbeat in each half of it.",
    default: "30s",
    positive: true,
  }),
} as const;

/** A component's metadata as its binding reads it. */
export type AmqpMetadata = Values<typeof amqpFields>;

/** The request metadata of `create`. */
export const createFields = {
  address: string({
    description: "The queue or topic to send to. Default: the component's.",
    example: "orders",
  }),
  messageId: string({ description: "The message's id, as a string.", example: "order-17" }),
  correlationId: string({ description: "The correlation id, as a string.", example: "request-4" }),
  contentType: string({ description: "The content type.", example: "application/json" }),
  contentEncoding: string({ description: "The content encoding.", example: "gzip" }),
  subject: string({ description: "The subject (JMSType).", example: "order.created" }),
  to: string({ description: "The address that the message is meant for.", example: "orders" }),
  replyTo: string({ description: "The address for answers.", example: "answers" }),
  userId: string({ description: "Who sends the message.", example: "shop" }),
  groupId: string({
    description: "The group of messages that are handled in order (JMSXGroupID).",
    example: "customer-9",
  }),
  groupSequence: integer({
    description: "The message's place in its group (JMSXGroupSeq).",
    min: 0,
    max: 4_294_967_295,
    example: "3",
  }),
  replyToGroupId: string({ description: "The group for answers.", example: "customer-9" }),
  priority: integer({ description: "The priority.", min: 0, max: 255, example: "5" }),
  ttl: duration({
    description:
      "How long the message may wait before it expires. A number without a unit is in seconds.",
    positive: true,
    example: "30s",
  }),
  durable: bool({ description: "The server stores the message. Default: the component's." }),
  bodyType: oneOf(["data", "string"], {
    description: "The body's type. Default: the component's.",
    example: "string",
  }),
  headers: byPrefix(
    "header:",
    string({
      description: "The application property NAME, always a string.",
      example: "eu",
    }),
  ),
  annotations: byPrefix(
    "annotation:",
    string({
      description:
        "The message annotation NAME: a whole number as a long, `true` and `false` as a boolean, all else as a string.",
      example: "5000",
    }),
  ),
} as const;

export type CreateRequest = Values<typeof createFields>;
