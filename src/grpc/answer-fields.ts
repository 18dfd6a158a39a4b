import { encodeBinaryHeader, encodeGrpcMessage, type GrpcFailure } from "./status.ts";
import type { ResponseHeaders } from "./status.ts";

// Header fields of answers as HTTP/2 takes them: names and values in turn. gRPC needs no date.

/** The head of an answer without metadata, uncompressed. */
export const plainHead: readonly string[] = [":status", "200", "content-type", "application/grpc"];
const gzipHead: readonly string[] = [...plainHead, "grpc-encoding", "gzip"];
/** The trailers of a call that went well, without metadata. */
export const okTrailers: readonly string[] = ["grpc-status", "0", "grpc-message", ""];

/** The head of an answer. Throws a `TypeError` for a pseudo-header; what else HTTP/2 does not carry, it says itself. */
export function headFields(
  metadata: ResponseHeaders | undefined,
  isCompressed: boolean,
): readonly string[] {
  const own = isCompressed ? gzipHead : plainHead;
  return metadata === undefined ? own : withMetadata(own, metadata);
}

/** The trailers of a call that went well. Throws as {@link headFields}. */
export function okFields(metadata: ResponseHeaders | undefined): readonly string[] {
  return metadata === undefined ? okTrailers : withMetadata(okTrailers, metadata);
}

/** A status as trailers. */
export function statusFields(failure: GrpcFailure): string[] {
  const { code, message, details } = failure;
  const fields = ["grpc-status", String(code), "grpc-message", encodeGrpcMessage(message)];
  if (details !== undefined) fields.push("grpc-status-details-bin", encodeBinaryHeader(details));
  return fields;
}

/** The fields with metadata behind them, which cannot say anything that they say. Throws as {@link headFields}. */
export function withMetadata(own: readonly string[], metadata: ResponseHeaders): string[] {
  const fields = [...own];
  for (const spelled in metadata) {
    const value = metadata[spelled];
    const name = spelled.toLowerCase();
    if (value === undefined || isNameOf(own, name)) continue;
    if (name.startsWith(":")) throw new TypeError(`metadata cannot have ${JSON.stringify(name)}`);
    if (typeof value === "string") fields.push(name, withoutBlanks(value));
    else for (const one of value) fields.push(name, withoutBlanks(one));
  }
  return fields;
}

function isNameOf(fields: readonly string[], name: string): boolean {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return true;
  return false;
}

/** A value without blanks at its ends, which HTTP/2 does not carry (RFC 9113 8.2.1). */
function withoutBlanks(value: string): string {
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))
    ? value.replaceAll(/^[ \t]+|[ \t]+$/g, "")
    : value;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
