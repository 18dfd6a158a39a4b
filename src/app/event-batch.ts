import type { Delivery } from "../runtime/app.ts";
import { isReserved, longestError } from "./event-metadata.ts";
import { WireWriter } from "../grpc/wire-writer.ts";

/**
 * Writes `cufflink.v1.EventBatch` by hand: it is written for every event, and generic encoders take
 * several times as long for it. The tags are those of `event_streams.proto` and `events.proto`.
 */
const tag = {
  batch: { binding: 0x0a, events: 0x12, notice: 0x1a },
  delivered: {
    ...{ delivery: 0x08, lane: 0x10, epoch: 0x18, event: 0x22, metadata: 0x2a },
    ...{ traceparent: 0x32, tracestate: 0x3a, baggage: 0x42 },
    ...{ attempt: 0x48, attempts: 0x50, lastError: 0x5a },
  },
  event: { data: 0x0a, headers: 0x12, key: 0x1a, id: 0x22 },
  /** A header's name and value, as well as a map entry's key and value. */
  pair: { name: 0x0a, value: 0x12 },
} as const;

const noBytes = new Uint8Array(0);

/** An event and the number by which the app settles it. */
export type NumberedDelivery = { readonly number: number; readonly delivery: Delivery };

/** About how many bytes a batch has where its events are large; one with a larger event has that alone. */
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
  const writer = new WireWriter();
  writer.text(tag.batch.binding, first.delivery.name);
  for (const { number, delivery } of events) writeDelivered(writer, number, delivery);
  return writer.finish();
}

/** Encodes what an app should know about its subscription. */
export function encodeNotice(notice: string): Uint8Array {
  const writer = new WireWriter();
  writer.text(tag.batch.notice, notice);
  return writer.finish();
}

function writeDelivered(writer: WireWriter, number: number, delivery: Delivery): void {
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

function writeEvent(writer: WireWriter, { data, headers, key, id }: Delivery): void {
  const event = writer.begin(tag.delivered.event);
  if (data !== undefined) writer.bytes(tag.event.data, data);
  for (const { name, value } of headers) {
    const header = writer.begin(tag.event.headers);
    writer.text(tag.pair.name, name);
    writer.bytes(tag.pair.value, value);
    writer.end(header);
  }
  // An empty key is written: it is not the same as none.
  if (typeof key === "string" && key !== "") writer.text(tag.event.key, key);
  else if (key !== undefined) writer.bytes(tag.event.key, typeof key === "string" ? noBytes : key);
  writer.text(tag.event.id, id ?? "");
  writer.end(event);
}
