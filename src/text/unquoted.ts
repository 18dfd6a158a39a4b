import { goUnquote } from "./go-unquote.ts";

/**
 * The data of a call as Dapr's outputs of mails take them: what the quotes of a Go literal or of a JSON string hold,
 * and all else as it is.
 */
export function unquoted(data: Uint8Array): Uint8Array {
  const plain = goUnquote(data);
  if (plain !== undefined) return plain;
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
  if (!/^\s*"/.test(text)) return data;
  try {
    // What JSON allows and Go does not: `\/`, two escapes for one character, space around it.
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? Buffer.from(value) : data;
  } catch {
    return data;
  }
}
