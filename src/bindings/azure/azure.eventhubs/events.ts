import { bytesOf, propertyNames, readMessage } from "../../../amqp-client/message.ts";
import { Timestamp, textOf, type AmqpValue } from "../../../amqp-client/values.ts";
import type { InboundEvent } from "../../../binding.ts";
import { messageOf } from "../../../errors.ts";

/** What an event says. */
export type EventContent = Pick<InboundEvent, "data" | "metadata" | "headers" | "id"> & {
  readonly sequence: number;
  readonly offset: string;
  readonly partitionKey: string | undefined;
};

const iotHubNames = new Set([
  "iothub-connection-device-id",
  "iothub-connection-auth-generation-id",
  "iothub-connection-auth-method",
  "iothub-connection-module-id",
  "iothub-enqueuedtime",
]);

/** Reads an event, whose annotations are the service's; a body that cannot be read comes as its bytes. */
export function contentOf(bytes: Buffer, partition: string, all: boolean): EventContent {
  try {
    return read(bytes, partition, all);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const metadata = { "x-opt-partition-id": partition, undecodable: messageOf(error) };
    const rest = { sequence: -1, offset: "", partitionKey: undefined, id: undefined };
    return { data: bytes, metadata, headers: [], ...rest };
  }
}

function read(bytes: Buffer, partition: string, all: boolean): EventContent {
  const message = readMessage(bytes);
  const metadata: Record<string, string> = {};
  if (all)
    for (const [name, value] of message.applicationProperties) metadata[name] = timeOrText(value);
  const annotations = new Map(message.annotations);
  for (const [name, value] of message.annotations)
    if (name.startsWith("x-opt-") || iotHubNames.has(name)) metadata[name] = timeOrText(value);
  metadata["x-opt-partition-id"] = partition;
  const id = message.properties[propertyNames.indexOf("messageId")];
  if (id !== undefined && id !== null) metadata["message-id"] = textOf(id);
  const sequence = annotations.get("x-opt-sequence-number");
  const partitionKey = metadata["x-opt-partition-key"];
  const number = typeof sequence === "bigint" ? Number(sequence) : -1;
  return {
    data: message.body,
    metadata,
    headers: message.applicationProperties.map(([name, value]) => ({
      name,
      value: bytesOf(value),
    })),
    id: `${partition}/${number}`,
    sequence: number,
    offset: textOf(annotations.get("x-opt-offset") ?? null),
    partitionKey,
  };
}

/** Times as Go writes RFC 3339: to the second. */
function timeOrText(value: AmqpValue): string {
  if (value instanceof Timestamp) return String(value).replace(/\.\d+Z$/, "Z");
  return textOf(value);
}
