/** Base64 of bytes that come in parts. */
export async function* encodedParts(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const part of parts) {
    const bytes = rest.length === 0 ? viewOf(part) : Buffer.concat([rest, part]);
    const whole = bytes.length - (bytes.length % 3);
    rest = Buffer.from(bytes.subarray(whole));
    if (whole > 0) yield Buffer.from(bytes.toString("base64", 0, whole));
  }
  if (rest.length > 0) yield Buffer.from(rest.toString("base64"));
}

/** The bytes of base64 that comes in parts; line breaks are passed over. Throws for what is none. */
export async function* decodedParts(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = "";
  for await (const part of parts) {
    const text =
      rest +
      viewOf(part)
        .toString("latin1")
        .replaceAll(/[\r\n]/g, "");
    const whole = text.length - (text.length % 4);
    // Padding ends it, so what may be padded waits for the end.
    const ready = Math.max(0, whole - 4);
    rest = text.slice(ready);
    if (ready > 0) yield decode(text.slice(0, ready), false);
  }
  yield decode(rest, true);
}

/** The bytes of a base64 text; line breaks are passed over. Throws for what is none. */
export function decodedBase64(text: string): Buffer {
  return decode(text.replaceAll(/[\r\n]/g, ""), true);
}

function decode(text: string, isEnd: boolean): Buffer {
  const pattern = isEnd ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9+/]*$/;
  if (text.length % 4 !== 0 || !pattern.test(text)) throw new Error("the data is no base64");
  return Buffer.from(text, "base64");
}

function viewOf(part: Uint8Array): Buffer {
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}
