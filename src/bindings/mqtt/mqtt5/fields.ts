import { bool, byPrefix, byteSize, duration, integer } from "../../../metadata/fields.ts";
import { pemFields } from "../../../metadata/tls-fields.ts";
import { list, oneOf, string, type Values } from "../../../metadata/fields.ts";

/** What an MQTT 5 component's metadata can say. */
export const mqttFields = {
  url: string({
    description:
      "The server: mqtt://USER:PASSWORD@HOST:PORT, also tcp://; with TLS mqtts://, ssl://, tls:// or tcps://; over WebSocket ws:// or wss://.",
    required: true,
    sensitive: true,
    example: "mqtt://broker:1883",
  }),
  username: string({ description: "The user, in place of the URL's.", example: "shop" }),
  password: string({ description: "The password, in place of the URL's.", sensitive: true }),
  topic: list({
    description:
      "The topics to read, separated by commas. They may have wildcards, or be shared ($share/GROUP/TOPIC). A single one without either is also the default to send to.",
    example: "orders/+/created,refunds/#",
  }),
  consumerID: string({
    description:
      "The client name, by which the server keeps the session: `<consumerID>-consumer` reads, `<consumerID>-producer` sends. Each process needs its own.",
    required: true,
    example: "shop-1",
  }),
  qos: integer({
    description:
      "The quality of service of what is read and sent: 0 (at most once), 1 (at least once) or 2 (exactly once between server and runtime).",
    default: "1",
    min: 0,
    max: 2,
  }),
  cleanStart: bool({
    description:
      "Begin with a new session when the process starts. Later connections of the process continue it.",
    direction: "input",
    default: "false",
  }),
  sessionExpiryInterval: duration({
    description:
      "How long the server keeps the session after a connection has ended. 0s: not at all; 1193046h or longer: for ever.",
    direction: "input",
    default: "168h",
  }),
  receiveMaximum: integer({
    description:
      "The most messages with QoS 1 and 2 that the server sends before they are acknowledged, those that wait for a retry included. Default: twice `maxInFlight`.",
    direction: "input",
    min: 1,
    max: 65_535,
  }),
  maximumPacketSize: byteSize({
    description:
      "The largest packet that the server may send; it drops larger messages without a word. Default: the server is told none, and a message larger than half of the memory budget ends the connection.",
    direction: "input",
    example: "1Mi",
  }),
  topicAliasMaximum: integer({
    description: "How many topics the server may abbreviate to a number on a connection.",
    direction: "input",
    default: "16",
    min: 0,
    max: 256,
  }),
  retainHandling: oneOf(["new", "always", "never"], {
    description:
      "When retained messages are sent: at a subscription that the session did not have (`new`), at each connection, or never. Shared subscriptions get none.",
    direction: "input",
    default: "new",
  }),
  retainAsPublished: bool({
    description:
      "Tell with `retained` of each message how it was sent, and not only of those that the server had retained.",
    direction: "input",
    default: "false",
  }),
  retain: bool({
    description: "Retain the last message of a topic at the server, for later subscribers.",
    direction: "output",
    default: "false",
  }),
  contentType: string({
    description: "The content type of what is sent.",
    direction: "output",
    example: "application/json",
  }),
  messageExpiry: duration({
    description:
      "How long the server keeps what is sent for those that have not got it yet. Default: for ever.",
    direction: "output",
    example: "1h",
    positive: true,
  }),
  willTopic: string({
    description:
      "Where the server sends the will when the connection that reads (or, of a component that only sends, that one) ends without a good-bye.",
    example: "shops/1/status",
  }),
  willPayload: string({ description: "The payload of the will.", example: "offline" }),
  willQos: integer({ description: "The will's quality of service.", default: "1", min: 0, max: 2 }),
  willRetain: bool({ description: "Retain the will.", default: "false" }),
  willDelay: duration({
    description: "How long the server waits with the will for the client to come back.",
    default: "0s",
  }),
  willContentType: string({ description: "The will's content type." }),
  keepAlive: duration({
    description:
      "The idle time after which the connection is checked, unless the server asks for another one.",
    default: "30s",
    positive: true,
  }),
  authenticationMethod: string({
    description:
      "Enhanced authentication (AUTH) is not supported: a component that names a method fails.",
  }),
  ...pemFields,
} as const;

/** What the request of a message can say. */
export const createFields = {
  topic: string({
    description: "The topic to send to. Default: the component's.",
    example: "orders/17/created",
  }),
  qos: integer({
    description: "The quality of service, 0 to 2. Default: the component's.",
    min: 0,
    max: 2,
  }),
  retain: bool({ description: "Retain the message. Default: the component's.", strict: true }),
  contentType: string({ description: "The content type. Default: the component's." }),
  responseTopic: string({
    description: "The topic for an answer. It is not waited for.",
    example: "answers/shop-1",
  }),
  correlationData: string({
    description: "What tells the receiver of an answer which message it belongs to.",
    example: "17",
  }),
  "correlationData.encoding": oneOf(["text", "base64"], {
    description: "How `correlationData` is written: as a text, or bytes as base64.",
    default: "text",
  }),
  messageExpiry: duration({
    description:
      "How long the server keeps the message for those that have not got it yet. Default: the component's.",
    example: "1h",
    positive: true,
  }),
  payloadFormat: oneOf(["bytes", "utf8"], {
    description: "What the payload is said to be. `utf8`: it must be. Default: nothing is said.",
  }),
  header: byPrefix(
    "header:",
    string({ description: "A user property of that name.", example: "value" }),
  ),
} as const;

/** A component's metadata as its binding reads it. */
export type MqttMetadata = Values<typeof mqttFields>;

export type CreateRequest = Values<typeof createFields>;
