import { parseDuration } from "../../metadata/duration.ts";
import { bool, byteSize, duration, integer, oneOf, string } from "../../metadata/fields.ts";
import type { Field, Values } from "../../metadata/fields.ts";

/** What a RabbitMQ component's metadata can say. */
export const rabbitmqFields = {
  host: string({
    description:
      "The AMQP URI of the server: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS.",
    required: true,
    sensitive: true,
    example: "amqp://shop:secret@rabbitmq:5672",
  }),
  queueName: string({
    description:
      "The queue to read from and to send to. It is declared if it is not there; one that is there is used as it is.",
    required: true,
    example: "orders",
  }),
  durable: bool({
    description: "Declare the queue so that it outlives the server's restart.",
    default: "false",
  }),
  deleteWhenUnused: bool({
    description:
      "Declare the queue so that it goes, with what it holds, when its last reader does.",
    default: "false",
  }),
  exclusive: bool({
    description: "Declare the queue for this reader alone; it goes with the reader's connection.",
    default: "false",
  }),
  ttl: wholeMilliseconds({
    description:
      "How long a message may wait in the queue before it expires. A bare number: seconds.",
    aliases: ["ttlInSeconds"],
    example: "1h",
  }),
  queueType: oneOf(["classic", "quorum"], {
    description:
      "Declare a queue of this type; `quorum` implies `durable`. Unset: the virtual host's default type.",
    example: "quorum",
  }),
  deliveryLimit: integer({
    description:
      "Declare a quorum queue that gives up a message once it was returned more often than this. Unset: the server's own limit.",
    min: 0,
    max: 2_147_483_647,
    example: "20",
  }),
  singleActiveConsumer: bool({
    description:
      "Declare the queue so that one of its readers gets all messages, and the next takes over when it goes.",
    default: "false",
  }),
  deadLetterExchange: string({
    description:
      "Declare the queue so that what expires, does not fit or is given up goes to this exchange; the empty text is the default exchange.",
    example: "orders-dead",
  }),
  deadLetterRoutingKey: string({
    description: "The routing key of what goes to `deadLetterExchange`. Unset: each message's own.",
    example: "orders-dead",
  }),
  deadLetterStrategy: oneOf(["at-most-once", "at-least-once"], {
    description:
      "How surely a quorum queue brings messages to `deadLetterExchange`. `at-least-once` needs `overflow: reject-publish`.",
  }),
  maxLength: integer({
    description: "Declare the queue so that it holds at most this many messages.",
    min: 0,
    example: "10000",
  }),
  maxLengthBytes: byteSize({
    description: "Declare the queue so that the bodies of its messages are at most this together.",
    example: "64Mi",
  }),
  overflow: oneOf(["drop-head", "reject-publish", "reject-publish-dlx"], {
    description:
      "What a full queue does: lets its oldest message go, or refuses new ones. Unset: the server's choice, `drop-head`.",
  }),
  queueExpires: wholeMilliseconds({
    description:
      "Declare the queue so that it is deleted once nobody has used it for this long. A bare number: seconds.",
    example: "24h",
  }),
  prefetchCount: integer({
    description:
      "The most unacknowledged messages the server hands out. 0: as many as the runtime has room for. 1: one after another, in order.",
    direction: "input",
    default: "0",
    min: 0,
    max: 65_535,
  }),
  consumerTimeout: duration({
    description:
      "The server's own `consumer_timeout`, after which it closes a channel that has not acknowledged a message: messages are returned when five sixths of it have passed. A bare number: seconds. 0: the server has no such limit.",
    direction: "input",
    default: "30m",
  }),
  maxPriority: integer({
    description: "Declare a priority queue with this many levels. Without it, the queue has none.",
    min: 0,
    max: 255,
    example: "10",
  }),
  contentType: string({
    description: "The content type of what is sent, unless the request says one.",
    direction: "output",
    default: "text/plain",
  }),
  reconnectWaitInSeconds: duration({
    description: "Accepted and not needed: the runtime decides when to connect again.",
    default: "5s",
  }),
  caCert: string({
    description: "The PEM certificates of the authorities to trust, for amqps.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate, for amqps.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({
    description: "The key of the client's certificate, in PEM.",
    sensitive: true,
  }),
  externalSasl: bool({
    description:
      "Authenticate by the client's certificate (SASL EXTERNAL), not by user and password.",
    aliases: ["saslExternal"],
    default: "false",
  }),
} as const;

/** A component's metadata as its binding reads it. */
export type RabbitmqMetadata = Values<typeof rabbitmqFields>;

/** The request metadata of `create`. All names but `priority` count in any case. */
export const createFields = {
  ttl: string({
    description: "How long the message may wait before it expires. A bare number: seconds.",
    aliases: ["ttlInSeconds"],
    example: "30s",
  }),
  priority: string({
    description: "The message's priority in a priority queue; out of 0 to 255 the nearer end.",
    example: "5",
  }),
  contentType: string({ description: "The message's content type.", example: "application/json" }),
  messageID: string({ description: "The message's id.", example: "order-17" }),
  correlationID: string({ description: "The message's correlation id.", example: "request-4" }),
  type: string({
    description: "The message's type, whatever the application means by it.",
    example: "order.created",
  }),
} as const;

type WholeOptions = Parameters<typeof duration>[0];

/**
 * Milliseconds to live, as AMQP takes them. Other than `duration`, the empty text is no value and not zero, which would
 * throw each message away at once.
 */
function wholeMilliseconds(options: WholeOptions): Field<number | undefined, false> {
  return {
    ...duration(options),
    parse(text) {
      if (text === "") return { value: undefined };
      const value = parseDuration(text, 1000);
      if (value === undefined)
        return { problem: 'is not a duration such as "300ms", "5s" or "1h30m"' };
      if (value < 0) return { problem: "must not be below zero" };
      return { value: Math.floor(value) };
    },
  };
}
