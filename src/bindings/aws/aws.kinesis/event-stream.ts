import { crc32 } from "node:zlib";
import { BindingError } from "../../../errors.ts";

/** A message of AWS's binary event stream (`application/vnd.amazon.eventstream`). */
export type StreamMessage = {
  /** Those that are texts, as `:message-type`. */
  readonly headers: ReadonlyMap<string, string>;
  readonly payload: Buffer;
};

const preludeLength = 12;
const trailerLength = 4;
/** AWS's own bounds: 128 KiB of headers and 16 MiB of payload. */
const largestMessage = (128 + 16 * 1024) * 1024 + preludeLength + trailerLength;

/** The messages of a body, as they come whole. Throws a `BindingError` where the body is no event stream, or ends within a message. */
export async function* messagesOf(body: AsyncIterable<Buffer>): AsyncGenerator<StreamMessage> {
  let parts: Buffer[] = [];
  let size = 0;
  let wanted = preludeLength;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    while (size >= wanted) {
      const all = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
      const length = lengthOf(all);
      parts = [all];
      wanted = length;
      if (size < length) continue;
      yield messageIn(all.subarray(0, length));
      parts = [all.subarray(length)];
      size -= length;
      wanted = preludeLength;
    }
  }
  if (size > 0) throw unreadable("it ends within a message");
}

function lengthOf(bytes: Buffer): number {
  const length = bytes.readUInt32BE(0);
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(0, 8)))
    throw unreadable("the checksum of a length is wrong");
  if (length > largestMessage || length < preludeLength + trailerLength)
    throw unreadable(`a message has ${length} bytes`);
  return length;
}

function messageIn(bytes: Buffer): StreamMessage {
  const end = bytes.length - trailerLength;
  if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end)))
    throw unreadable("the checksum of a message is wrong");
  const payloadAt = preludeLength + bytes.readUInt32BE(4);
  if (payloadAt > end) throw unreadable("the headers are longer than the message");
  return {
    headers: headersIn(bytes.subarray(preludeLength, payloadAt)),
    payload: bytes.subarray(payloadAt, end),
  };
}

/** Bytes of a value by its type; of the others the length comes before them. */
const fixedLengths = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16];
const textType = 7;

function headersIn(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  try {
    while (at < bytes.length) {
      const nameEnd = at + 1 + bytes.readUInt8(at);
      const name = bytes.toString("utf8", at + 1, nameEnd);
      const type = bytes.readUInt8(nameEnd);
      if (type >= fixedLengths.length) throw unreadable(`a header has the type ${type}`);
      const fixed = fixedLengths[type];
      const from = nameEnd + 1 + (fixed === undefined ? 2 : 0);
      at = from + (fixed ?? bytes.readUInt16BE(nameEnd + 1));
      if (type === textType) headers.set(name, bytes.toString("utf8", from, at));
    }
  } catch (error) {
    if (error instanceof BindingError) throw error;
    throw unreadable("a header is cut off");
  }
  if (at > bytes.length) throw unreadable("a header is cut off");
  return headers;
}

function unreadable(why: string): BindingError {
  return new BindingError("unavailable", `the event stream cannot be read: ${why}`, {
    effect: "ambiguous",
  });
}
