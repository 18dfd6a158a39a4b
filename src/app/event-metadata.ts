import { isUtf8 } from "node:buffer";
import { encodeGrpcMessage } from "../grpc/status.ts";
import type { Delivery } from "../runtime/app.ts";

/** Names that no event may set: they are how the runtime proves itself to the app. */
export function isReserved(name: string): boolean {
  return name.length === 14 && name.toLowerCase() === "dapr-api-token";
}

/**
 * An event's metadata as Dapr's string map. What the binding says wins over a header of the message with
 * the same name; of repeated headers the last counts. A header that is UTF-8 goes as it is, other bytes
 * as base64 with `<name>.encoding: base64` beside it.
 */
export function eventMetadata({ metadata, headers }: Delivery): Record<string, string> {
  // Without a prototype: a header may be called `__proto__`.
  const map: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const { name, value } of headers) {
    if (Object.hasOwn(metadata, name) || isReserved(name)) continue;
    const encoding = `${name}.encoding`;
    if (isUtf8(value)) {
      map[name] = textOf(value);
      if (map[encoding] === "base64") delete map[encoding];
    } else {
      map[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
      map[encoding] = "base64";
    }
  }
  for (const name in metadata) {
    const value = metadata[name];
    if (value !== undefined && !isReserved(name)) map[name] = value;
  }
  return map;
}

/**
 * What the runtime tells about the delivery itself, apart from the event's metadata: the attempt and the
 * trace. Every value can be a header of HTTP/1.1, HTTP/2 and gRPC; the error's text is percent-encoded,
 * as gRPC encodes `grpc-message`.
 */
export function deliveryHeaders(delivery: Delivery): Record<string, string> {
  const headers: Record<string, string> = { "cufflink-attempt": String(delivery.attempt) };
  if (delivery.attempts !== undefined) headers["cufflink-attempts"] = String(delivery.attempts);
  if (delivery.lastError !== undefined) {
    const told = delivery.lastError.slice(0, longestError).replaceAll(/^ +| +$/g, "");
    headers["cufflink-last-error"] = encodeGrpcMessage(told);
  }
  for (const name of traceNames) {
    const value = delivery.trace[name];
    if (value !== undefined && value !== "" && isPlainText(value)) headers[name] = value;
  }
  return headers;
}

/** The span of a `traceparent` in the binary form that gRPC apps of OpenCensus read, in base64. */
export function binaryTrace(traceparent: string): string | undefined {
  if (traceparent.length !== 55 || !traceparent.startsWith("00-")) return undefined;
  if (traceparent[35] !== "-" || traceparent[52] !== "-") return undefined;
  // Of every event: a pattern and Node's reading of hexadecimal digits cost twice as much.
  let signs = 0;
  for (const { from, to, at } of binaryFields) {
    let index = at;
    for (let digit = from; digit < to; digit += 2) {
      const byte = (valueOf(traceparent, digit) << 4) | valueOf(traceparent, digit + 1);
      signs |= byte;
      binarySpan[index++] = byte;
    }
  }
  // 29 bytes are 39 digits and a filler, which gRPC leaves out.
  return signs < 0 ? undefined : binarySpan.toString("base64").slice(0, 39);
}

/** The version, then field 0 with the trace, field 1 with the span and field 2 with the flags. */
const binarySpan = Buffer.from(`0000${"0".repeat(32)}01${"0".repeat(16)}0200`, "hex");
/** Where the digits of trace, span and flags are in the text, and where their bytes go. */
const binaryFields = [
  { from: 3, to: 35, at: 2 },
  { from: 36, to: 52, at: 19 },
  { from: 53, to: 55, at: 28 },
] as const;

/** The value of a hexadecimal digit in lower case; -1: it is none. */
function valueOf(text: string, index: number): number {
  const unit = text.charCodeAt(index);
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  return unit >= 0x61 && unit <= 0x66 ? unit - 0x57 : -1;
}

const traceNames = ["traceparent", "tracestate", "baggage"] as const;
/** Header blocks are small everywhere: a long reason must not be what fails a delivery. */
export const longestError = 512;
const longestTrace = 8192;

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
}

function isPlainText(value: string): boolean {
  return value.length <= longestTrace && /^[!-~](?:[ -~]*[!-~])?$/.test(value);
}
