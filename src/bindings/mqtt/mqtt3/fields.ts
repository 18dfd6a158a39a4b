import { bool, duration, string } from "../../../metadata/fields.ts";
import { pemFields } from "../../../metadata/tls-fields.ts";
import type { Values } from "../../../metadata/fields.ts";

/** What an MQTT component's metadata can say. */
export const mqttFields = {
  url: string({
    description:
      "The broker: mqtt://USER:PASSWORD@HOST:PORT, also tcp://; with TLS mqtts://, ssl://, tls:// or tcps://; over WebSocket ws:// or wss://.",
    required: true,
    sensitive: true,
    example: "mqtt://broker:1883",
  }),
  topic: string({
    description:
      "The topic to read from and to send to. For reading it may have wildcards, or be shared ($share/GROUP/TOPIC).",
    required: true,
    example: "orders/+/created",
  }),
  consumerID: string({
    description:
      "The client name, by which the broker keeps the session: `<consumerID>-consumer` reads, `<consumerID>-producer` sends. Each process needs its own.",
    required: true,
    example: "shop-1",
  }),
  retain: bool({
    description: "Retain the last message of a topic at the broker, for later subscribers.",
    direction: "output",
    default: "false",
  }),
  cleanSession: bool({
    description:
      "Start a new session at each connection. Unhandled messages, and messages sent in between, are lost.",
    direction: "input",
    default: "false",
  }),
  keepAlive: duration({
    description: "The idle time after which the connection is checked.",
    default: "30s",
    positive: true,
  }),
  qos: string({
    description: "Accepted; has no effect.",
    deprecated: "remove it; the quality of service is always 1",
  }),
  ...pemFields,
} as const;

/** A component's metadata as its binding reads it. */
export type MqttMetadata = Values<typeof mqttFields>;
