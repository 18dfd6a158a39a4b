import { jsonUnquote } from "../../../text/json-unquote.ts";
import { decodedBase64 } from "../../../text/base64-parts.ts";
import { messageOf } from "../../../errors.ts";
import { invalid } from "./failures.ts";

/** What `create` stores: bytes as they are; over HTTP, where all data are JSON, the text of a string. */
export function contentOf(data: Uint8Array | undefined, encoding: "bytes" | "json"): Uint8Array {
  if (data === undefined) return new Uint8Array();
  return encoding === "json" ? jsonUnquote(data) : data;
}

export function decoded(data: Uint8Array): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    return decodedBase64(bytes.toString("latin1"));
  } catch (error) {
    throw invalid(`uploading failed: ${messageOf(error)}`);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
