import type { Delivery } from "../runtime/app.ts";
import { isReserved, longestError } from "./event-metadata.ts";

/**
 * Writes `cufflink.v1.EventBatch` by hand: it is written for every event, and generic encoders take
 * several times as long for it. The tags are those of `event_streams.proto` and `events.proto`.
 */
const tag = {
  batch: { binding: 0x0a, events: 0x12 },
  delivered: {
    ...{ delivery: 0x08, lane: 0x10, epoch: 0x18, event: 0x22, metadata: 0x2a },
    ...{ traceparent: 0x32, tracestate: 0x3a, baggage: 0x42 },
    ...{ attempt: 0x48, attempts: 0x50, lastError: 0x5a },
  },
  event: { data: 0x0a, headers: 0x12, key: 0x1a, id: 0x22 },
  /** A header's name and value, as well as a map entry's key and value. */
  pair: { name: 0x0a, value: 0x12 },
} as const;

/** An event and the number by which the app settles it. */
export type NumberedDelivery = { readonly number: number; readonly delivery: Delivery };

/** How many bytes a batch about has where its events are large; one with a larger event has that alone. */
export const wantedBatchBytes = 512 * 1024;

/** Takes the events of one component from the front of the queue that go into one batch. */
export function countForBatch(queue: readonly { readonly delivery: Delivery }[]): number {
  const name = queue[0]?.delivery.name;
  let bytes = 0;
  let count = 0;
  for (const { delivery } of queue) {
    bytes += (delivery.data?.length ?? 0) + 256;
    if (count > 0 && (delivery.name !== name || bytes > wantedBatchBytes)) break;
    count++;
  }
  return count;
}

/** Encodes events of one component, at least one. */
export function encodeEventBatch(events: readonly NumberedDelivery[]): Uint8Array {
  const [first] = events;
  if (first === undefined) throw new Error("a batch has at least one event");
  const writer = new Writer();
  writer.text(tag.batch.binding, first.delivery.name);
  for (const { number, delivery } of events) writeDelivered(writer, number, delivery);
  return writer.finish();
}

function writeDelivered(writer: Writer, number: number, delivery: Delivery): void {
  const { lane, metadata, trace, attempt, attempts = 0, lastError } = delivery;
  const delivered = writer.begin(tag.batch.events);
  writer.number(tag.delivered.delivery, number);
  if (lane !== undefined) {
    writer.number(tag.delivered.lane, lane.number);
    writer.number(tag.delivered.epoch, lane.epoch);
  }
  writeEvent(writer, delivery);
  for (const name in metadata) {
    const value = metadata[name];
    if (value === undefined || isReserved(name)) continue;
    const entry = writer.begin(tag.delivered.metadata);
    writer.text(tag.pair.name, name);
    writer.text(tag.pair.value, value);
    writer.end(entry);
  }
  writer.text(tag.delivered.traceparent, trace["traceparent"] ?? "");
  writer.text(tag.delivered.tracestate, trace["tracestate"] ?? "");
  writer.text(tag.delivered.baggage, trace["baggage"] ?? "");
  writer.number(tag.delivered.attempt, attempt);
  writer.number(tag.delivered.attempts, attempts);
  if (lastError !== undefined)
    writer.text(tag.delivered.lastError, lastError.slice(0, longestError));
  writer.end(delivered);
}

function writeEvent(writer: Writer, { data, headers, key, id }: Delivery): void {
  const event = writer.begin(tag.delivered.event);
  if (data !== undefined) writer.bytes(tag.event.data, data);
  for (const { name, value } of headers) {
    const header = writer.begin(tag.event.headers);
    writer.text(tag.pair.name, name);
    writer.bytes(tag.pair.value, value);
    writer.end(header);
  }
  if (key !== undefined)
    writer.bytes(tag.event.key, typeof key === "string" ? Buffer.from(key) : key);
  writer.text(tag.event.id, id ?? "");
  writer.end(event);
}

/** Where bytes are written before their number is known; every batch starts in the same ones. */
let scratch = Buffer.allocUnsafeSlow(wantedBatchBytes * 2);
/** A scratch buffer that one large event made longer than this is let go again. */
const longestKept = 4 * 1024 * 1024;
/** As many bytes as the length of a nested message may take: 268,435,455 bytes. */
const lengthBytes = 4;

/** Protobuf's wire format into the scratch buffer. */
class Writer {
  #at = 0;

  number(tag: number, value: number): void {
    if (value === 0) return;
    this.#room(6);
    scratch[this.#at++] = tag;
    this.#varint(value);
  }

  text(tag: number, text: string): void {
    if (text === "") return;
    // UTF-8 takes at most three bytes for each unit of UTF-16.
    this.#room(6 + text.length * 3);
    scratch[this.#at++] = tag;
    if (text.length < 0x80) {
      // Most take as many bytes, and then the length takes one.
      const written = scratch.write(text, this.#at + 1, "utf8");
      if (written < 0x80) {
        scratch[this.#at] = written;
        this.#at += 1 + written;
        return;
      }
    }
    this.#varint(Buffer.byteLength(text));
    this.#at += scratch.write(text, this.#at, "utf8");
  }

  bytes(tag: number, bytes: Uint8Array): void {
    this.#room(6 + bytes.length);
    scratch[this.#at++] = tag;
    this.#varint(bytes.length);
    scratch.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Begins a nested message; returns what {@link end} is given. */
  begin(tag: number): number {
    this.#room(1 + lengthBytes);
    scratch[this.#at++] = tag;
    this.#at += lengthBytes;
    return this.#at;
  }

  /** Writes the length of a nested message in as many bytes as were left for it: leading zeros are allowed. */
  end(start: number): void {
    let length = this.#at - start;
    for (let at = start - lengthBytes; at < start - 1; at++) {
      scratch[at] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    scratch[start - 1] = length;
  }

  finish(): Uint8Array {
    const message = Buffer.allocUnsafe(this.#at);
    scratch.copy(message, 0, 0, this.#at);
    if (scratch.length > longestKept) scratch = Buffer.allocUnsafeSlow(wantedBatchBytes * 2);
    return message;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      scratch[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    scratch[this.#at++] = rest;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, this.#at + bytes));
    scratch.copy(larger, 0, 0, this.#at);
    scratch = larger;
  }
}
