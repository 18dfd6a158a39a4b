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
      "The queue to read from and to send to. A missing queue is declared; an existing one is used as it is.",
    required: true,
    example: "orders",
  }),
  durable: bool({
    description: "Declare the queue so that it survives a restart of the server.",
    default: "false",
  }),
  deleteWhenUnused: bool({
    description:
      "Declare the queue so that it is deleted, with its messages, when its last reader disconnects.",
    default: "false",
  }),
  exclusive: bool({
    description:
      "Declare the queue for this reader only; it is deleted with the reader's connection.",
    default: "false",
  }),
  ttl: wholeMilliseconds({
    description:
      "How long a message may wait in the queue before it expires. A number without a unit is in seconds.",
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
      "Declare a quorum queue that drops or dead-letters a message that was requeued more often than this. Unset: the server's own limit.",
    min: 0,
    max: 2_147_483_647,
    example: "20",
  }),
  singleActiveConsumer: bool({
    description:
      "Declare the queue so that only one of its readers gets messages; the next becomes active when it disconnects.",
    default: "false",
  }),
  deadLetterExchange: string({
    description:
      "Declare the queue so that messages that expire, do not fit or exceed the delivery limit go to this exchange; the empty text is the default exchange.",
    example: "orders-dead",
  }),
  deadLetterRoutingKey: string({
    description:
      "The routing key of messages sent to `deadLetterExchange`. Unset: that of each message.",
    example: "orders-dead",
  }),
  deadLetterStrategy: oneOf(["at-most-once", "at-least-once"], {
    description:
      "The guarantee with which a quorum queue sends messages to `deadLetterExchange`. `at-least-once` needs `overflow: reject-publish`.",
  }),
  maxLength: integer({
    description: "Maximum number of messages in the queue, set when it is declared.",
    min: 0,
    example: "10000",
  }),
  maxLengthBytes: byteSize({
    description: "Maximum total size of the message bodies in the queue, set when it is declared.",
    example: "64Mi",
  }),
  overflow: oneOf(["drop-head", "reject-publish", "reject-publish-dlx"], {
    description:
      "What a full queue does: drop or dead-letter its oldest message, or refuse new ones. Unset: the server's default, `drop-head`.",
  }),
  queueExpires: wholeMilliseconds({
    description:
      "Declare the queue so that it is deleted when it was unused for this time. A number without a unit is in seconds.",
    example: "24h",
  }),
  prefetchCount: integer({
    description:
      "Maximum number of unacknowledged messages. 0: as many as the runtime has room for. 1: one after another, in order.",
    direction: "input",
    default: "0",
    min: 0,
    max: 65_535,
  }),
  consumerTimeout: duration({
    description:
      "The server's `consumer_timeout`, after which it closes a channel with an unacknowledged message. Waiting messages are requeued after five sixths of it. A number without a unit is in seconds. 0: the server has no such limit.",
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
    description: "The content type of sent messages, unless the request has one.",
    direction: "output",
    default: "text/plain",
  }),
  reconnectWaitInSeconds: duration({
    description: "Accepted; has no effect, because the runtime schedules reconnects.",
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
    description:
      "How long the message may wait before it expires. A number without a unit is in seconds.",
    aliases: ["ttlInSeconds"],
    example: "30s",
  }),
  priority: string({
    description: "The message's priority in a priority queue, limited to 0 to 255.",
    example: "5",
  }),
  contentType: string({ description: "The message's content type.", example: "application/json" }),
  messageID: string({ description: "The message's id.", example: "order-17" }),
  correlationID: string({ description: "The message's correlation id.", example: "request-4" }),
  type: string({
    description: "The message's type, defined by the application.",
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
