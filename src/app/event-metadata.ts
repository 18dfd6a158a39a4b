import { isUtf8 } from "node:buffer";
import { encodeBinaryHeader, encodeGrpcMessage } from "../grpc/status.ts";
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
    headers["cufflink-last-error"] = encodeGrpcMessage(
      delivery.lastError.slice(0, longestError),
    ).trim();
  }
  for (const name of traceNames) {
    const value = delivery.trace[name];
    if (value !== undefined && value !== "" && isPlainText(value)) headers[name] = value;
  }
  return headers;
}

/** The span of a `traceparent` in the binary form that gRPC apps of OpenCensus read, in base64. */
export function binaryTrace(traceparent: string): string | undefined {
  if (!traceparentShape.test(traceparent)) return undefined;
  binarySpan.write(traceparent.slice(3, 35), 2, "hex");
  binarySpan.write(traceparent.slice(36, 52), 19, "hex");
  binarySpan.write(traceparent.slice(53, 55), 28, "hex");
  return encodeBinaryHeader(binarySpan);
}

/** The version, then field 0 with the trace, field 1 with the span and field 2 with the flags. */
const binarySpan = Buffer.from(`0000${"0".repeat(32)}01${"0".repeat(16)}0200`, "hex");
const traceNames = ["traceparent", "tracestate", "baggage"] as const;
const traceparentShape = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** Header blocks are small everywhere: a long reason must not be what fails a delivery. */
export const longestError = 512;
const longestTrace = 8192;

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
}

function isPlainText(value: string): boolean {
  return value.length <= longestTrace && /^[!-~](?:[ -~]*[!-~])?$/.test(value);
}
