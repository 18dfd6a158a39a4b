import type { KafkaRecord } from "@platformatic/kafka";
import type { Header, InboundEvent, Settlement } from "../../binding.ts";

/** How the records of a component become events. */
export type EventFormat = {
  /** Headers whose name matches are left out. */
  readonly exclude: RegExp | undefined;
  /** Percent-encode header values and the key, as in a URL's query. */
  readonly escape: boolean;
};

/** Where a record stands. */
export type RecordPlace = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Unix milliseconds. */
  readonly timestamp: bigint;
};

const nothing = new Uint8Array();

/** Makes a record an event, its metadata named as Dapr names it. */
export function eventOf(
  record: Pick<KafkaRecord, "key" | "value" | "headers">,
  { topic, partition, offset, timestamp }: RecordPlace,
  format: EventFormat,
  settle: (settlement: Settlement) => void,
  revoked?: AbortSignal,
): InboundEvent {
  const { key, value } = record;
  const metadata: Record<string, string> = {
    __topic: topic,
    __partition: String(partition),
    __offset: String(offset),
    __timestamp: String(timestamp),
  };
  if (key !== null) tellKey(metadata, key, format);
  return {
    data: value ?? undefined,
    metadata,
    headers: record.headers.length === 0 ? [] : headersOf(record.headers, format),
    key: orderKey(topic, partition, key),
    id: `${topic}[${partition}]@${offset}`,
    settle,
    revoked,
  };
}

// No topic's name has a ":" or a "[", so that neither two topics nor a key and a partition meet.
function orderKey(topic: string, partition: number, key: Buffer | null): string {
  return key === null ? `${topic}[${partition}]` : `${topic}:${key.toString("latin1")}`;
}

function tellKey(metadata: Record<string, string>, key: Buffer, format: EventFormat): void {
  if (format.escape) {
    metadata["__key"] = queryEscape(key);
    return;
  }
  const text = key.toString();
  if (!text.includes("\ufffd") || Buffer.from(text).equals(key)) {
    metadata["__key"] = text;
    return;
  }
  metadata["__key"] = key.toString("base64");
  metadata["__key.encoding"] = "base64";
}

function headersOf(headers: KafkaRecord["headers"], format: EventFormat): Header[] {
  const result: Header[] = [];
  for (const [name, value] of headers) {
    const text = name?.toString() ?? "";
    if (format.exclude?.test(text)) continue;
    result.push({
      name: text,
      value: format.escape ? Buffer.from(queryEscape(value ?? nothing)) : (value ?? nothing),
    });
  }
  return result;
}

/** Bytes as Go's `url.QueryEscape` writes them: a space becomes `+`, what is no letter, digit or `-_.~` becomes `%XX`. */
export function queryEscape(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9\-_.~]/.test(character)) text += character;
    else if (byte === 0x20) text += "+";
    else text += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
