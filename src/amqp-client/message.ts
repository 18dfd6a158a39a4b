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
} from "./values.ts";

/** A message as it is written: its sections, each value of its own type. */
export type AmqpMessage = {
  /** Durable, priority, time to live, first acquirer, delivery count. */
  readonly header: readonly AmqpValue[];
  /** Those of the delivery and of the message. */
  readonly annotations: readonly Entry[];
  /** In the order of {@link propertyNames}. */
  readonly properties: readonly AmqpValue[];
  readonly applicationProperties: readonly Entry[];
  readonly body: Buffer;
  readonly bodyType: "data" | "sequence" | "string" | "value" | undefined;
};

type Entry = readonly [name: string, value: AmqpValue];

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

export const propertyNames = [
  ...["messageId", "userId", "to", "subject", "replyTo", "correlationId", "contentType"],
  ...["contentEncoding", "absoluteExpiryTime", "creationTime", "groupId", "groupSequence"],
  "replyToGroupId",
];

/** Throws a `RangeError` at what is no message of AMQP. */
export function readMessage(bytes: Buffer): AmqpMessage {
  let header: readonly AmqpValue[] = [];
  let properties: readonly AmqpValue[] = [];
  const annotations: Entry[] = [];
  const applicationProperties: Entry[] = [];
  const bodies: Buffer[] = [];
  let bodyType: AmqpMessage["bodyType"];
  const reader = new ValueReader(bytes);
  while (reader.remaining > 0) {
    const section = reader.read();
    if (!(section instanceof Described)) throw new RangeError("a section has no descriptor");
    const { value } = section;
    switch (sectionOf(section.descriptor)) {
      case 0x70:
        header = listOf(value);
        break;
      case 0x71:
      case 0x72:
        annotations.push(...entriesOf(value));
        break;
      case 0x73:
        properties = listOf(value);
        break;
      case 0x74:
        applicationProperties.push(...entriesOf(value));
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
  const body = bodyOf(bodies, bodyType);
  return { header, annotations, properties, applicationProperties, body, bodyType };
}

/** Texts and bytes as they are, all else as JSON. */
export function bytesOf(value: AmqpValue): Buffer {
  if (value instanceof AmqpText) return value.bytes;
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Uuid || value instanceof Timestamp) return Buffer.from(textOf(value));
  return Buffer.from(jsonOf(value));
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

function listOf(value: AmqpValue): readonly AmqpValue[] {
  if (value instanceof AmqpList) return value.items;
  throw new RangeError("a section has no list");
}

function entriesOf(value: AmqpValue): Entry[] {
  if (!(value instanceof AmqpMap)) throw new RangeError("a section has no map");
  return value.entries.map(([key, one]) => [textOf(key), one] as const);
}
