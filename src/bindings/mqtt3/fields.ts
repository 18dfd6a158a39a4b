import { bool, duration, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

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
      "The topic to read from and to send to. To read, it may have wildcards, or be shared ($share/GROUP/TOPIC).",
    required: true,
    example: "orders/+/created",
  }),
  consumerID: string({
    description:
      "Who this is to the broker, which keeps a session by it: `<consumerID>-consumer` reads, `<consumerID>-producer` sends. No two may run at one time.",
    required: true,
    example: "shop-1",
  }),
  retain: bool({
    description: "Have the broker keep the last message of a topic for who subscribes later.",
    direction: "output",
    default: "false",
  }),
  cleanSession: bool({
    description:
      "Begin with a new session at each connection. What was not handled by then, and what is sent meanwhile, is lost.",
    direction: "input",
    default: "false",
  }),
  keepAlive: duration({
    description: "After how long a silent connection is asked whether it still works.",
    default: "30s",
    positive: true,
  }),
  qos: string({
    description: "Accepted and not needed: the quality of service is always 1.",
    deprecated: "the quality of service is always 1; leave it out",
  }),
  caCert: string({
    description: "The PEM certificates of the authorities to trust.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({
    description: "The key of the client's certificate, in PEM.",
    sensitive: true,
  }),
} as const;

/** A component's metadata as its binding reads it. */
export type MqttMetadata = Values<typeof mqttFields>;
