import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { framePrefixBytes, writeFramePrefix } from "../grpc/frame.ts";
import { WireWriter } from "../grpc/wire-writer.ts";

/** Field numbers and wire types of `InvokeBindingResponse { bytes data = 1; map<string, string> metadata = 2; }`. */
const tag = { data: 0x0a, metadata: 0x12, key: 0x0a, value: 0x12 } as const;

/** The answer of an invocation, in its frame. */
export function answerFrame({
  data,
  metadata,
}: MessageInitShape<typeof InvokeBindingResponseSchema>): Buffer {
  const writer = new WireWriter(framePrefixBytes);
  if (data !== undefined && data.length > 0) writer.bytes(tag.data, data);
  for (const key in metadata) {
    const entry = writer.begin(tag.metadata);
    writer.text(tag.key, key);
    writer.text(tag.value, metadata[key] ?? "");
    writer.end(entry);
  }
  const frame = writer.finish();
  writeFramePrefix(frame, frame.length - framePrefixBytes);
  return frame;
}
