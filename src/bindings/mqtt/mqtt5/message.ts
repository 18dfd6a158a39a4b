import { isUtf8 } from "node:buffer";
import type { IConnectPacket } from "mqtt-packet";
import { BindingError } from "../../../errors.ts";
import { checkTopicName } from "../topics.ts";
import type { CreateRequest, MqttMetadata } from "./fields.ts";
import type { Message } from "./session.ts";

const longestText = 65_535;
const largestPacket = 256 * 1024 * 1024;
const mostSeconds = 0xffff_ffff;

/** W3C's Trace Context for MQTT has these as user properties. */
const traceNames = ["traceparent", "tracestate", "baggage"] as const;

/**
 * Control characters and noncharacters, which a server may answer with the end of the connection, as Mosquitto does:
 * the other messages on it would be lost with this one.
 */
const refusedCharacter = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/** The message that a request asks for. Throws where MQTT cannot carry it. */
export function messageOf(
  data: Uint8Array | undefined,
  request: CreateRequest,
  metadata: MqttMetadata,
  properties: Readonly<Record<string, string>>,
): Message {
  const payload =
    data === undefined
      ? Buffer.alloc(0)
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (request.payloadFormat === "utf8" && !isUtf8(payload)) {
    throw refused("the data are no UTF-8, as payloadFormat says; leave it out or send a text");
  }
  const topic = request.topic || defaultTopic(metadata);
  checkTopic("topic", topic);
  const message: Message = {
    ...{ topic, payload },
    qos: qosOf(request.qos ?? metadata.qos),
    retain: request.retain ?? metadata.retain,
    properties: {
      ...described(request, metadata),
      ...userProperties(request.header, properties),
    },
  };
  checkSize(message);
  return message;
}

/** The will that the component's metadata ask for, if any. Throws where MQTT cannot carry it. */
export function willOf(metadata: MqttMetadata): IConnectPacket["will"] {
  const { willTopic, willPayload, willQos, willRetain, willDelay, willContentType } = metadata;
  if (willTopic === undefined || willTopic === "") return undefined;
  checkTopic("willTopic", willTopic);
  checkText("willContentType", willContentType ?? "");
  const payload = Buffer.from(willPayload ?? "");
  if (payload.length > longestText)
    throw refused(`willPayload is longer than ${longestText} bytes`);
  return {
    ...{ topic: willTopic, payload, qos: qosOf(willQos), retain: willRetain },
    properties: {
      willDelayInterval: seconds(willDelay),
      ...(willContentType ? { contentType: willContentType } : {}),
    },
  };
}

/** Whole seconds, as MQTT counts them: never less than what was asked for. */
export function seconds(milliseconds: number): number {
  return Math.min(mostSeconds, Math.max(0, Math.ceil(milliseconds / 1000)));
}

export function qosOf(value: number): 0 | 1 | 2 {
  return value === 0 || value === 2 ? value : 1;
}

function defaultTopic({ topic: [topic, ...more] = [] }: MqttMetadata): string {
  if (topic === undefined) throw refused("name the topic in the request's metadata topic");
  if (more.length > 0 || topic.startsWith("$share/")) {
    throw refused("the component's topic is for reading; name one in the request's metadata topic");
  }
  return topic;
}

function described(request: CreateRequest, metadata: MqttMetadata): Message["properties"] {
  const properties: Message["properties"] = {};
  const contentType = request.contentType || metadata.contentType;
  if (contentType) {
    checkText("contentType", contentType);
    properties.contentType = contentType;
  }
  if (request.responseTopic) {
    checkTopic("responseTopic", request.responseTopic);
    properties.responseTopic = request.responseTopic;
  }
  if (request.correlationData !== undefined)
    properties.correlationData = correlationOf(request, request.correlationData);
  const expiry = request.messageExpiry ?? metadata.messageExpiry;
  if (expiry !== undefined) properties.messageExpiryInterval = seconds(expiry);
  if (request.payloadFormat !== undefined)
    properties.payloadFormatIndicator = request.payloadFormat === "utf8";
  return properties;
}

function correlationOf(request: CreateRequest, text: string): Buffer {
  const isBytes = request["correlationData.encoding"] === "base64";
  const bytes = Buffer.from(text, isBytes ? "base64" : "utf8");
  if (isBytes && bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) {
    throw refused("correlationData is no base64, as correlationData.encoding says");
  }
  if (bytes.length > longestText)
    throw refused(`correlationData is longer than ${longestText} bytes`);
  return bytes;
}

function userProperties(
  headers: CreateRequest["header"],
  properties: Readonly<Record<string, string>>,
): Message["properties"] {
  // Without a prototype: a property may be called `__proto__`.
  const all = Object.create(null) as Record<string, string>;
  for (const name of traceNames) {
    const value = properties[name];
    if (value !== undefined && value !== "") all[name] = value;
  }
  for (const [name, value] of headers) all[name] = value;
  const entries = Object.entries(all);
  for (const [name, value] of entries) {
    checkText(`the name of header:${name}`, name);
    checkText(`header:${name}`, value);
  }
  return entries.length === 0 ? {} : { userProperties: all };
}

function checkTopic(name: string, topic: string): void {
  checkText(name, topic);
  checkTopicName(topic);
}

function checkText(name: string, text: string): void {
  const shown = JSON.stringify(name.slice(0, 80));
  if (!text.isWellFormed()) throw refused(`${shown} is not valid Unicode`);
  if (refusedCharacter.test(text)) {
    throw refused(
      `${shown} has a control character, such as a line break, which MQTT servers refuse`,
    );
  }
  if (Buffer.byteLength(text) > longestText)
    throw refused(`${shown} is longer than ${longestText} bytes`);
}

/** What is around the payload is at most as long as its texts, with a few bytes each. */
function checkSize({ topic, payload, properties }: Message): void {
  const { userProperties = {}, ...others } = properties;
  let size = payload.length + Buffer.byteLength(topic) + 64;
  for (const value of Object.values(others)) {
    if (typeof value === "string" || Buffer.isBuffer(value)) size += Buffer.byteLength(value);
  }
  for (const [name, value] of Object.entries(userProperties))
    size += 5 + Buffer.byteLength(name) + Buffer.byteLength(String(value));
  if (size >= largestPacket) {
    throw refused(`MQTT carries at most ${largestPacket - 1} bytes, and this is ${size}`);
  }
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `failed to publish: ${why}`);
}
