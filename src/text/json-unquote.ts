/**
 * The bytes that a JSON text from Dapr's HTTP path means to bindings that store bytes: those of a JSON string, none for
 * `null`, and of any other JSON its text.
 */
export function jsonUnquote(data: Uint8Array): Uint8Array {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8").trim();
  if (text === "null") return new Uint8Array();
  if (!text.startsWith('"')) return data;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? Buffer.from(value) : data;
  } catch {
    return data;
  }
}
