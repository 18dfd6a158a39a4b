import { framePrefixBytes, writeFramePrefix } from "../grpc/frame.ts";
import type { Delivery } from "../runtime/app.ts";
import { eventMetadata } from "./event-metadata.ts";
import { dataWithoutNull } from "./null-data.ts";
import { WireWriter } from "../grpc/wire-writer.ts";

/** The tags of `appcallback.proto`, and of a map's entries. */
const tag = { name: 0x0a, data: 0x12, metadata: 0x1a, key: 0x0a, value: 0x12 } as const;

/**
 * Encodes `dapr.proto.runtime.v1.BindingEventRequest` by hand, as it is written for every event, in the
 * frame in which gRPC sends it.
 */
export function encodeBindingEventFrame(delivery: Delivery): Uint8Array {
  const writer = new WireWriter(framePrefixBytes);
  writer.text(tag.name, delivery.name);
  writer.bytes(tag.data, dataWithoutNull(delivery));
  const metadata = eventMetadata(delivery);
  for (const name in metadata) {
    const entry = writer.begin(tag.metadata);
    writer.text(tag.key, name);
    writer.text(tag.value, metadata[name] ?? "");
    writer.end(entry);
  }
  const frame = writer.finish();
  writeFramePrefix(frame, frame.length - framePrefixBytes);
  return frame;
}
