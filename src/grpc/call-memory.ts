/** Where calls ask before they keep what others have sent: the memory of one listener. */
export type CallMemory = {
  /** Counts so many bytes, if there is room for them. False: they must not be kept. */
  reserve(bytes: number): boolean;
  /** Counts bytes that are there already; negative ones are there no more. */
  add(bytes: number): void;
};

/** About what an open call takes beside its messages and its headers, in bytes. */
export const callOverhead = 4096;

/** What the headers of a call take, in bytes; names and values by turns. */
export function headerBytes(raw: readonly string[]): number {
  let bytes = 0;
  for (const text of raw) bytes += text.length;
  return bytes;
}

/** A view of so much more than itself is copied before it is kept. */
const mostBeside = 8 * 1024;

/** The bytes, without what they are a corner of: what HTTP/2 reads at one time is one buffer of up to 64 KiB. */
export function withoutRest<Bytes extends Uint8Array>(bytes: Bytes): Bytes | Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length + mostBeside) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}
