import type { Header, InboundEvent } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import {
  AmqpList,
  AmqpMap,
  AmqpText,
  Described,
  Timestamp,
  Uuid,
  ValueReader,
  jsonOf,
  textOf,
  type AmqpValue,
} from "../../amqp-client/values.ts";

/** What a message says, beside how it is settled. */
export type MessageContent = Pick<
  InboundEvent,
  "data" | "metadata" | "headers" | "key" | "id" | "attempt" | "redelivered"
>;

const sections: Readonly<Record<string, number>> = {
  "amqp:header:list": 0x70,
  "amqp:delivery-annotations:map": 0x71,
  "amqp:message-annotations:map": 0x72,
  "amqp:properties:list": 0x73,
  "amqp:application-properties:map": 0x74,
  "amqp:data:binary": 0x75,
  "amqp:amqp-sequence:list": 0x76,
  "amqp:amqp-value:*": 0x77,
  "amqp:footer:map": 0x78,
};

const propertyNames = [
  ...["messageId", "userId", "to", "subject", "replyTo", "correlationId", "contentType"],
  ...["contentEncoding", "absoluteExpiryTime", "creationTime", "groupId", "groupSequence"],
  "replyToGroupId",
];

/**
 * Reads a message. One that cannot be read comes as its own bytes, with the reason in its metadata: the server would
 * send it again and again, and what becomes of it is the app's to say, or the dead letters'.
 */
export function contentOf(message: Buffer, format: number, address: string): MessageContent {
  if (format !== 0) return unread(message, address, { messageFormat: String(format) });
  try {
    return read(message, address);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return unread(message, address, { undecodable: messageOf(error) });
  }
}

function unread(
  data: Buffer,
  address: string,
  metadata: Readonly<Record<string, string>>,
): MessageContent {
  return { data, metadata: { address, ...metadata }, headers: [] };
}

function read(message: Buffer, address: string): MessageContent {
  const metadata: Record<string, string> = { address };
  const headers: Header[] = [];
  const bodies: Buffer[] = [];
  let bodyType: string | undefined;
  let attempt: number | undefined;
  let redelivered: boolean | undefined;
  const reader = new ValueReader(message);
  while (reader.remaining > 0) {
    const section = reader.read();
    if (!(section instanceof Described)) throw new RangeError("a section has no descriptor");
    const { value } = section;
    switch (sectionOf(section.descriptor)) {
      case 0x70:
        ({ attempt, redelivered } = noteHeader(listOf(value), metadata));
        break;
      case 0x71:
      case 0x72:
        for (const [name, one] of entriesOf(value)) metadata[`annotation:${name}`] = textOf(one);
        break;
      case 0x73:
        noteProperties(listOf(value), metadata);
        break;
      case 0x74:
        for (const [name, one] of entriesOf(value)) headers.push({ name, value: bytesOf(one) });
        break;
      case 0x75:
        if (!(value instanceof Uint8Array)) throw new RangeError("a data section has no bytes");
        bodyType = "data";
        bodies.push(Buffer.from(value.buffer, value.byteOffset, value.length));
        break;
      case 0x76:
        bodyType = "sequence";
        bodies.push(Buffer.from(listOf(value).map(jsonOf).join(",")));
        break;
      case 0x77:
        bodyType = value instanceof AmqpText ? "string" : "value";
        bodies.push(bytesOf(value));
        break;
      default:
    }
  }
  if (bodyType !== undefined) metadata["bodyType"] = bodyType;
  return {
    data: bodyOf(bodies, bodyType),
    metadata,
    headers,
    key: metadata["groupId"],
    id: metadata["messageId"],
    attempt: attempt ?? 1,
    redelivered,
  };
}

function bodyOf(bodies: readonly Buffer[], type: string | undefined): Buffer {
  if (type === "sequence") {
    const filled = bodies.filter(({ length }) => length > 0);
    return Buffer.from(`[${filled.map(String).join(",")}]`);
  }
  const [only] = bodies;
  return bodies.length === 1 && only !== undefined ? only : Buffer.concat(bodies);
}

function sectionOf(descriptor: AmqpValue): number | undefined {
  if (typeof descriptor === "bigint") return Number(descriptor);
  return descriptor instanceof AmqpText ? sections[String(descriptor)] : undefined;
}

/** Durable, priority, time to live, first acquirer, delivery count. */
function noteHeader(
  [durable, priority, ttl, firstAcquirer, count]: readonly AmqpValue[],
  metadata: Record<string, string>,
): { attempt: number; redelivered: boolean | undefined } {
  if (durable === true) metadata["durable"] = "true";
  if (typeof priority === "bigint") metadata["priority"] = String(priority);
  if (typeof ttl === "bigint") metadata["ttl"] = String(ttl);
  const deliveries = typeof count === "bigint" ? Number(count) : 0;
  const isFirst = firstAcquirer === true && deliveries === 0;
  return {
    attempt: deliveries + 1,
    redelivered: isFirst ? false : deliveries > 0 ? true : undefined,
  };
}

function noteProperties(values: readonly AmqpValue[], metadata: Record<string, string>): void {
  for (const [at, name] of propertyNames.entries()) {
    const value = values[at];
    if (value === undefined || value === null) continue;
    metadata[name] = textOf(value);
    if (name === "messageId" || name === "correlationId") {
      const type = idType(value);
      if (type !== undefined) metadata[`${name}Type`] = type;
    }
  }
}

/** Absent: a string. */
function idType(value: AmqpValue): string | undefined {
  if (value instanceof Uuid) return "uuid";
  if (typeof value === "bigint") return "ulong";
  return value instanceof Uint8Array ? "binary" : undefined;
}

/** Texts and bytes as they are, all else as JSON. */
function bytesOf(value: AmqpValue): Buffer {
  if (value instanceof AmqpText) return value.bytes;
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Uuid || value instanceof Timestamp) return Buffer.from(textOf(value));
  return Buffer.from(jsonOf(value));
}

function listOf(value: AmqpValue): readonly AmqpValue[] {
  if (value instanceof AmqpList) return value.items;
  throw new RangeError("a section has no list");
}

function entriesOf(value: AmqpValue): (readonly [string, AmqpValue])[] {
  if (!(value instanceof AmqpMap)) throw new RangeError("a section has no map");
  return value.entries.map(([key, one]) => [textOf(key), one] as const);
}
