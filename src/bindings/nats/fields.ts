import {
  bool,
  byPrefix,
  duration,
  integer,
  list,
  oneOf,
  string,
  type Values,
} from "../../metadata/fields.ts";

/** The metadata of a NATS component. Where Dapr's pub/sub has a name for the same, it is an alias. */
export const natsFields = {
  servers: list({
    description:
      "The servers, separated by commas: nats://HOST:PORT, with TLS tls://HOST:PORT. One that answers is used. nats://USER:PASSWORD@HOST:PORT and nats://TOKEN@HOST:PORT log in, too.",
    required: true,
    sensitive: true,
    aliases: ["natsURL", "url"],
    example: "nats://nats-1:4222,nats://nats-2:4222",
  }),

  token: string({ description: "The token to log in with.", sensitive: true }),
  user: string({ description: "The user name.", example: "shop" }),
  password: string({ description: "The user's password.", sensitive: true }),
  nkeySeed: string({
    description: "The seed of the user's NKey, which begins with SU.",
    sensitive: true,
    aliases: ["seedKey"],
  }),
  jwt: string({
    description: "The user's JWT, whose key is nkeySeed.",
    sensitive: true,
  }),
  credentials: string({
    description: "The credentials file with the user's JWT and seed: its content, or its path.",
    sensitive: true,
  }),

  caCert: string({
    description: "PEM certificates of the authorities to trust instead of the system's.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate.",
    aliases: ["tls_client_cert"],
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({
    description: "The PEM key of the client's certificate.",
    sensitive: true,
    aliases: ["tls_client_key"],
  }),
  tlsHandshakeFirst: bool({
    description: "Begin with TLS before the server's greeting, as the server has it configured.",
    default: "false",
  }),

  domain: string({
    description: "The JetStream domain. Default: that of the server.",
    example: "hub",
  }),
  inboxPrefix: string({
    description:
      "What the subjects of answers begin with, for users who may subscribe to nothing else.",
    default: "_INBOX",
    example: "_INBOX_shop",
  }),
  timeout: duration({
    description: "The longest wait for an answer of JetStream, or of a request.",
    default: "5s",
    positive: true,
  }),

  subject: string({
    description: "The subject to send to, for calls that name none.",
    direction: "output",
    example: "orders.created",
  }),

  stream: string({
    description: "The JetStream stream to read. It must exist.",
    required: true,
    direction: "input",
    aliases: ["streamName"],
    example: "ORDERS",
  }),
  consumer: string({
    description:
      "The durable pull consumer, by which the server keeps the position. It is created if it does not exist.",
    required: true,
    direction: "input",
    aliases: ["durableName"],
    example: "shop",
  }),
  filterSubjects: list({
    description:
      "The subjects to read, separated by commas, with wildcards, for a consumer that is created. Several need NATS 2.10. Default: all of the stream.",
    direction: "input",
    aliases: ["filterSubject"],
    example: "orders.*.created,orders.*.paid",
  }),
  startFrom: oneOf(["newest", "oldest", "last", "lastPerSubject"], {
    description:
      "Where a consumer that is created begins: behind the newest message, with the oldest, with the last one, or with the last one of each subject.",
    default: "newest",
    direction: "input",
  }),
  startSequence: integer({
    description: "The sequence with which a consumer that is created begins; before startFrom.",
    min: 1,
    direction: "input",
    example: "1000",
  }),
  startTime: string({
    description:
      "The time, in RFC 3339, from which on a consumer that is created reads; before startFrom.",
    direction: "input",
    example: "2026-01-31T00:00:00Z",
  }),
  ackWait: duration({
    description:
      "The time after which the server delivers an unacknowledged message again, for a consumer that is created. It is extended while the app has the message.",
    default: "30s",
    positive: true,
    direction: "input",
  }),
  maxDeliver: integer({
    description:
      "How often the server delivers a message at most, for a consumer that is created; -1: no limit. A message that has reached it is lost to this consumer.",
    default: "-1",
    min: -1,
    direction: "input",
  }),
  maxAckPending: integer({
    description: "The most unacknowledged messages, for a consumer that is created; -1: no limit.",
    default: "1000",
    min: -1,
    direction: "input",
  }),
  orderBySubject: bool({
    description:
      "Handle the messages of a subject one after another, in the order of the stream. Set false where several processes read the consumer.",
    default: "true",
    direction: "input",
  }),
} as const;

export type NatsMetadata = Values<typeof natsFields>;

const subject = string({
  description: "The subject to send to. Default: the component's.",
  example: "orders.17.created",
});

const headers = byPrefix(
  "header:",
  string({ description: "A header of the message.", example: "application/json" }),
);

/** What each operation reads of a request's metadata. */
export const createFields = {
  subject,
  headers,
  msgId: string({
    description:
      "The message's id: the stream stores one of the same id once within its duplicate window (2 minutes, unless the stream says otherwise).",
    example: "order-42",
  }),
  expectedStream: string({
    description: "The stream that must take the message.",
    example: "ORDERS",
  }),
  expectedLastSequence: integer({
    description: "The stream's last sequence, or the message is refused.",
    min: 0,
    example: "17",
  }),
  expectedLastSubjectSequence: integer({
    description: "The last sequence of the subject, or the message is refused.",
    min: 0,
    example: "17",
  }),
  expectedLastMsgId: string({
    description: "The id of the stream's last message, or the message is refused.",
    example: "order-41",
  }),
} as const;

export const publishFields = { subject, headers } as const;

export const requestFields = {
  subject,
  headers,
  timeout: duration({
    description: "The longest wait for the answer. Default: the component's.",
    positive: true,
    example: "2s",
  }),
} as const;
