import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";

const dataTag = (1 << 3) | 2;
const metadataTag = (2 << 3) | 2;
const keyTag = (1 << 3) | 2;
const valueTag = (2 << 3) | 2;
const nothing: Readonly<Record<string, string>> = {};

/**
 * Encodes the answer of each invocation: `bytes data = 1; map<string, string> metadata = 2`. The library would take three
 * buffers for that, which costs more than the bytes.
 */
export function encodeInvokeAnswer(
  answer: MessageInitShape<typeof InvokeBindingResponseSchema>,
): Uint8Array {
  const { data, metadata = nothing } = answer;
  const dataLength = data === undefined ? 0 : data.length;
  let size = dataLength === 0 ? 0 : 1 + varintLength(dataLength) + dataLength;
  for (const key in metadata) {
    const length = entryLength(Buffer.byteLength(key), Buffer.byteLength(metadata[key] ?? ""));
    size += 1 + varintLength(length) + length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  if (data !== undefined && dataLength > 0) {
    out[at++] = dataTag;
    at = writeVarint(out, at, dataLength);
    out.set(data, at);
    at += dataLength;
  }
  for (const key in metadata) {
    const value = metadata[key] ?? "";
    const length = entryLength(Buffer.byteLength(key), Buffer.byteLength(value));
    out[at++] = metadataTag;
    at = writeVarint(out, at, length);
    at = writeText(out, at, keyTag, key);
    at = writeText(out, at, valueTag, value);
  }
  return out;
}

function entryLength(key: number, value: number): number {
  return 2 + varintLength(key) + key + varintLength(value) + value;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

function writeVarint(out: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[at++] = rest;
  return at;
}

function writeText(out: Buffer, from: number, tag: number, text: string): number {
  out[from] = tag;
  const at = writeVarint(out, from + 1, Buffer.byteLength(text));
  return at + out.write(text, at, "utf8");
}
