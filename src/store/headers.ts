import type { StoredEvent } from "./records.ts";

type Headers = StoredEvent["headers"];

/** Puts headers into one row of bytes: of each the length of its name, the name, the length of its value, the value. */
export function packHeaders(headers: Headers): Uint8Array<ArrayBuffer> {
  const names = headers.map(({ name }) => Buffer.from(name));
  const size = headers.reduce(
    (sum, { value }, index) => sum + 8 + (names[index]?.length ?? 0) + value.length,
    0,
  );
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  const add = (bytes: Uint8Array): void => {
    view.setUint32(at, bytes.length);
    packed.set(bytes, at + 4);
    at += 4 + bytes.length;
  };
  for (const [index, { value }] of headers.entries()) {
    add(names[index] ?? new Uint8Array());
    add(value);
  }
  return packed;
}

/** The opposite of {@link packHeaders}. */
export function unpackHeaders(packed: Uint8Array): Headers {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  const take = (): Uint8Array => {
    const start = at + 4;
    at = start + view.getUint32(at);
    return packed.subarray(start, at);
  };
  const headers: { name: string; value: Uint8Array }[] = [];
  while (at < packed.length) {
    headers.push({ name: Buffer.from(take()).toString(), value: take() });
  }
  return headers;
}
