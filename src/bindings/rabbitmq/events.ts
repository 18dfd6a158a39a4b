import type { ConsumeMessage } from "amqplib";
import type { Header, InboundEvent } from "../../binding.ts";
import { exactHeader } from "./header-bytes.ts";

const propertyNames = [
  "contentType",
  "contentEncoding",
  "deliveryMode",
  "priority",
  "correlationId",
  "replyTo",
  "expiration",
  "messageId",
  "timestamp",
  "type",
  "userId",
  "appId",
] as const;

type About = Pick<InboundEvent, "key" | "lease" | "settle"> & { readonly queue: string };

/** Makes a message an event: AMQP's properties are its metadata, the header table its headers. */
export function eventOf(
  message: ConsumeMessage,
  { queue, key, lease, settle }: About,
): InboundEvent {
  const { properties, fields, content } = message;
  const metadata: Record<string, string> = {
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    redelivered: String(fields.redelivered),
  };
  for (const name of propertyNames) {
    const value: unknown = properties[name];
    if (value !== undefined && value !== null) metadata[name] = textOf(value);
  }
  const table: Readonly<Record<string, unknown>> = properties.headers ?? {};
  return {
    data: content,
    metadata,
    headers: Object.entries(table).map(([name, value]) => headerOf(name, value, properties)),
    key,
    id: metadata["messageId"],
    attempt: attemptOf(table, queue),
    redelivered: fields.redelivered,
    lease,
    settle,
  };
}

function headerOf(name: string, value: unknown, properties: object): Header {
  const doubtful =
    typeof value === "string"
      ? value.includes("\ufffd")
      : typeof value === "number" && unsafe(value);
  const exact = doubtful ? exactHeader(properties, name) : undefined;
  return { name, value: exact ?? bytesOf(value) };
}

function unsafe(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** Texts and bytes as they are, all else as JSON text. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return Buffer.from(textOf(value));
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  const plain = plainOf(value);
  return typeof plain === "string" ? plain : (JSON.stringify(plain) ?? "null");
}

/** Without the driver's way of writing types: a timestamp is Unix seconds, a decimal its digits. */
function plainOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return value;
  const tagged = value as { "!"?: unknown; value?: unknown };
  if (tagged["!"] === "timestamp") return tagged.value;
  if (tagged["!"] === "decimal")
    return decimalOf(tagged.value as { places: number; digits: number });
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plainOf(one)]));
}

function decimalOf({ places, digits }: { places: number; digits: number }): number {
  return digits / 10 ** places;
}

/** What quorum queues count, or how often this queue has dead-lettered it; classic queues do not count. */
function attemptOf(table: Readonly<Record<string, unknown>>, queue: string): number | undefined {
  const count = table["x-delivery-count"];
  if (typeof count === "number") return count + 1;
  const deaths = table["x-death"];
  if (!Array.isArray(deaths)) return undefined;
  let before = 0;
  for (const death of deaths as { queue?: unknown; reason?: unknown; count?: unknown }[]) {
    const refused = death.reason === "rejected" || death.reason === "delivery_limit";
    if (death.queue === queue && refused && typeof death.count === "number") before += death.count;
  }
  return before === 0 ? undefined : before + 1;
}
