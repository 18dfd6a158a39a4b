/**
 * The bytes to store. Data that came as bytes are stored as they are. Over HTTP, where all data are
 * JSON, a string stands for bytes: in base64 when it is valid base64, else as its text. Other JSON is
 * stored as its text, and null as nothing.
 */
export function payload(data: Uint8Array | undefined, encoding: "bytes" | "json"): Uint8Array {
  if (data === undefined) return new Uint8Array();
  if (encoding === "bytes") return data;
  const json = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8").trim();
  if (json === "null") return new Uint8Array();
  if (!json.startsWith('"')) return data;
  let text: unknown;
  try {
    text = JSON.parse(json);
  } catch {
    return data;
  }
  if (typeof text !== "string") return data;
  const encoded = text.replaceAll(/[\r\n]/g, "");
  const isBase64 = encoded.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(encoded);
  return isBase64 ? Buffer.from(encoded, "base64") : Buffer.from(text);
}
