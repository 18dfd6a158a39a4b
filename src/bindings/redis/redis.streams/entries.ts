import type { Header, InboundEvent } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";

/** An entry of a stream: its id, and its fields in their order, repeats kept. */
export type StreamEntry = {
  readonly id: string;
  readonly fields: readonly (readonly [name: Buffer, value: Buffer])[];
};

/** What a reply has: entries, and the ids of those that were deleted while they were pending. */
export type Entries = { readonly entries: StreamEntry[]; readonly deleted: string[] };

/** The reply of XRANGE, or what XREADGROUP and XAUTOCLAIM have of one stream. */
export function entriesOf(reply: unknown): Entries {
  const entries: StreamEntry[] = [];
  const deleted: string[] = [];
  for (const one of listOf(reply)) {
    // Redis before 7 has a nil in place of an entry that is gone.
    if (one === null) continue;
    const [id, fields] = listOf(one);
    if (fields === null || fields === undefined) deleted.push(textOf(id));
    else entries.push({ id: textOf(id), fields: pairsOf(listOf(fields)) });
  }
  return { entries, deleted };
}

/** The entries of the one stream that XREADGROUP was asked for; none: nothing has come. */
export function readEntries(reply: unknown): Entries {
  const [stream] = reply === null ? [] : listOf(reply);
  return stream === undefined ? { entries: [], deleted: [] } : entriesOf(listOf(stream)[1]);
}

/** Puts the ids of entries in the order of the stream, as `sort` takes it. */
export function compareIds(one: string, other: string): number {
  // Numbers of as many digits have the order of their texts.
  if (one.length === other.length && one.indexOf("-") === other.indexOf("-"))
    return one < other ? -1 : one > other ? 1 : 0;
  const [time = "0", number = "0"] = one.split("-");
  const [otherTime = "0", otherNumber = "0"] = other.split("-");
  const difference = BigInt(time) - BigInt(otherTime) || BigInt(number) - BigInt(otherNumber);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** How many bytes an entry is. */
export function sizeOf({ fields }: StreamEntry): number {
  let size = 0;
  for (const [name, value] of fields) size += name.length + value.length;
  return size;
}

export type Shape = {
  readonly stream: string;
  readonly group: string;
  readonly consumer: string;
  readonly dataField: string;
  readonly keyField: string | undefined;
};

/** Makes an entry an event. */
export function eventOf(
  entry: StreamEntry,
  { stream, group, consumer, dataField, keyField }: Shape,
  rest: Pick<InboundEvent, "lease" | "settle" | "redelivered"> & { readonly deliveries: number },
): InboundEvent {
  const { deliveries, redelivered, lease, settle } = rest;
  let data: Buffer | undefined;
  let key: Buffer | undefined;
  const headers: Header[] = [];
  // The last of several fields of one name counts.
  for (const [bytes, value] of entry.fields) {
    const name = bytes.toString();
    if (keyField && name === keyField) key = value;
    if (dataField !== "" && name === dataField) data = value;
    else headers.push({ name, value });
  }
  return {
    data: data ?? asJson(entry),
    metadata: { stream, group, consumer, id: entry.id, deliveries: String(deliveries) },
    headers,
    key,
    id: `${stream}-${entry.id}`,
    attempt: deliveries,
    redelivered,
    lease,
    settle,
  };
}

function asJson({ fields }: StreamEntry): Buffer {
  const texts = fields.map(([name, value]) => [name.toString(), value.toString()] as const);
  return Buffer.from(JSON.stringify(Object.fromEntries(texts)));
}

/** The fields that a JSON object stands for. Values that are no texts are JSON. */
export function fieldsOfJson(data: Uint8Array): [string, string][] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BindingError(
      "invalid_argument",
      "with an empty dataField the data must be a JSON object of the entry's fields",
    );
  }
  return Object.entries(value).map(([name, one]: [string, unknown]) => [
    name,
    typeof one === "string" ? one : JSON.stringify(one),
  ]);
}

function pairsOf(list: readonly unknown[]): (readonly [Buffer, Buffer])[] {
  const pairs: (readonly [Buffer, Buffer])[] = [];
  for (let at = 0; at + 1 < list.length; at += 2)
    pairs.push([bufferOf(list[at]), bufferOf(list[at + 1])]);
  return pairs;
}

export function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new BindingError("internal", "the server's reply is not understood");
}

export function textOf(value: unknown): string {
  return bufferOf(value).toString();
}

function bufferOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === "number" ? String(value) : "");
}
