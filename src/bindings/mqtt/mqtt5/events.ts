import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { InboundEvent } from "../../../binding.ts";
import type { PublishPacket } from "./packets.ts";

/** Makes a message an event: what MQTT says about it is its metadata, the user properties are its headers. */
export function eventOf(
  message: PublishPacket,
  filters: ReadonlyMap<number, string>,
): Omit<InboundEvent, "settle"> {
  const { properties, dup, qos } = message;
  const metadata: Record<string, string> = { topic: message.topic, qos: String(qos) };
  if (message.retain) metadata["retained"] = "true";
  if (dup) metadata["duplicate"] = "true";
  if (properties.contentType !== undefined) metadata["contentType"] = properties.contentType;
  if (properties.responseTopic !== undefined) metadata["responseTopic"] = properties.responseTopic;
  if (properties.messageExpiryInterval !== undefined)
    metadata["messageExpiry"] = String(properties.messageExpiryInterval);
  if (properties.payloadFormatIndicator !== undefined)
    metadata["payloadFormat"] = properties.payloadFormatIndicator === 1 ? "utf8" : "bytes";
  tellCorrelation(metadata, properties.correlationData);
  const matching = (properties.subscriptionIdentifiers ?? [])
    .map((identifier) => filters.get(identifier))
    .filter((filter) => filter !== undefined);
  if (matching.length > 0) metadata["subscription"] = matching.join(",");
  const headers = properties.userProperties ?? [];
  return { data: message.payload, metadata, headers, redelivered: dup };
}

/** A text goes as it is, other bytes as base64, with the encoding beside it: as requests take it. */
function tellCorrelation(metadata: Record<string, string>, data: Buffer | undefined): void {
  if (data === undefined) return;
  const isText = isUtf8(data);
  metadata["correlationData"] = data.toString(isText ? "utf8" : "base64");
  if (!isText) metadata["correlationData.encoding"] = "base64";
}

const mostIdentifiers = 268_435_455;

/**
 * The subscription identifier of a topic filter. It comes from its text: a session keeps subscriptions with their
 * identifiers, and those of another list of topics must mean the same.
 */
export function identifierOf(filter: string): number {
  const digest = createHash("sha256").update(filter).digest();
  return (digest.readUInt32BE(0) % mostIdentifiers) + 1;
}
