import { bytesOf, propertyNames, readMessage } from "../../amqp-client/message.ts";
import { Uuid, textOf, type AmqpValue } from "../../amqp-client/values.ts";
import type { InboundEvent } from "../../binding.ts";
import { messageOf } from "../../errors.ts";

/** What a message says, beside how it is settled. */
export type MessageContent = Pick<
  InboundEvent,
  "data" | "metadata" | "headers" | "key" | "id" | "attempt" | "redelivered"
>;

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

function read(bytes: Buffer, address: string): MessageContent {
  const message = readMessage(bytes);
  const metadata: Record<string, string> = { address };
  const { attempt, redelivered } = noteHeader(message.header, metadata);
  for (const [name, value] of message.annotations) metadata[`annotation:${name}`] = textOf(value);
  noteProperties(message.properties, metadata);
  if (message.bodyType !== undefined) metadata["bodyType"] = message.bodyType;
  return {
    data: message.body,
    metadata,
    headers: message.applicationProperties.map(([name, value]) => ({
      name,
      value: bytesOf(value),
    })),
    key: metadata["groupId"],
    id: metadata["messageId"],
    attempt,
    redelivered,
  };
}

/** What tells a message from others of its queue, where its sender gave it an id. */
export type MessageName = readonly [
  id: string,
  type: string | undefined,
  group: string | undefined,
];

export function nameOf({ id, metadata }: MessageContent): MessageName | undefined {
  return id === undefined ? undefined : [id, metadata["messageIdType"], metadata["groupId"]];
}

/** Durable, priority, time to live, first acquirer, delivery count; an absent header has none. */
function noteHeader(
  header: readonly AmqpValue[],
  metadata: Record<string, string>,
): { attempt: number; redelivered: boolean | undefined } {
  const [durable, priority, ttl, firstAcquirer, count] = header;
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
