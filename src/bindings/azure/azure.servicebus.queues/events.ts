import { bytesOf, propertyNames, readMessage } from "../../../amqp-client/message.ts";
import { AmqpText, Timestamp, textOf } from "../../../amqp-client/values.ts";
import type { AmqpValue } from "../../../amqp-client/values.ts";
import type { InboundEvent } from "../../../binding.ts";
import { messageOf } from "../../../errors.ts";

/** What a message says, beside how it is settled. */
export type MessageContent = Pick<
  InboundEvent,
  "data" | "metadata" | "headers" | "id" | "attempt" | "redelivered"
> & {
  /** Tells it apart from all others of the queue; `undefined`: nothing does. */
  readonly identity: string | undefined;
  /** When its lock ends, in milliseconds since 1970, where it says so. */
  readonly lockedUntil: number | undefined;
  readonly session: string | undefined;
};

/** The properties by the names that Dapr has for them, and those that it has none for. */
const names: Readonly<Record<string, string>> = {
  messageId: "id",
  correlationId: "correlationID",
  subject: "label",
  to: "To",
  replyTo: "ReplyTo",
  contentType: "ContentType",
  groupId: "SessionId",
  replyToGroupId: "ReplyToSessionId",
};

const annotationNames: Readonly<Record<string, string>> = {
  "x-opt-sequence-number": "SequenceNumber",
  "x-opt-enqueued-time": "EnqueuedTimeUtc",
  "x-opt-scheduled-enqueue-time": "ScheduledEnqueueTimeUtc",
  "x-opt-partition-key": "PartitionKey",
};

/**
 * Reads a message. One that cannot be read comes as its own bytes, with the reason in its metadata: the queue would
 * deliver it again and again, and what becomes of it is the app's to say, or the dead letters'.
 */
export function contentOf(bytes: Buffer, format: number): MessageContent {
  try {
    if (format !== 0) throw new RangeError(`it has the format ${format}`);
    return read(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const metadata = { undecodable: messageOf(error) };
    const rest = { id: undefined, identity: undefined, lockedUntil: undefined, session: undefined };
    return { data: bytes, metadata, headers: [], ...rest };
  }
}

function read(bytes: Buffer): MessageContent {
  const message = readMessage(bytes);
  const metadata: Record<string, string> = {};
  // Those of the sender first: they cannot take the place of what the service says.
  for (const [name, value] of message.applicationProperties)
    if (value instanceof AmqpText) metadata[escaped(name)] = escaped(String(value));
  for (const [at, name] of propertyNames.entries()) {
    const value = message.properties[at];
    const told = names[name];
    if (told !== undefined && value !== undefined && value !== null) metadata[told] = textOf(value);
  }
  metadata["id"] ??= "";
  const annotations = new Map(message.annotations);
  for (const [name, told] of Object.entries(annotationNames)) {
    const value = annotations.get(name);
    if (value !== undefined && value !== null) metadata[told] = textOf(value);
  }
  const [, , ttl, , count] = message.header;
  if (typeof ttl === "bigint") metadata["ttlInSeconds"] = String(Number(ttl) / 1000);
  const deliveries = typeof count === "bigint" ? Number(count) : 0;
  metadata["DeliveryCount"] = String(deliveries + 1);
  return {
    data: message.body,
    metadata,
    headers: message.applicationProperties.map(([name, value]) => ({
      name,
      value: bytesOf(value),
    })),
    id: metadata["id"] || metadata["SequenceNumber"],
    attempt: deliveries + 1,
    redelivered: deliveries > 0 ? true : undefined,
    identity: identityOf(metadata),
    lockedUntil: timeOf(annotations.get("x-opt-locked-until")),
    session: metadata["SessionId"],
  };
}

/** The numbers of a queue that is made anew begin again; the time when a message came does not. */
function identityOf({
  SequenceNumber: number,
  EnqueuedTimeUtc: time,
  id,
}: Readonly<Record<string, string>>): string | undefined {
  return number === undefined || time === undefined
    ? undefined
    : JSON.stringify([number, time, id]);
}

function timeOf(value: AmqpValue | undefined): number | undefined {
  return value instanceof Timestamp ? Number(value.milliseconds) : undefined;
}

/** As Go escapes a value of a query: what a header of HTTP can carry. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll("%20", "+")
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
