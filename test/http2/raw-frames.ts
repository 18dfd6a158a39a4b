// HTTP/2 as bytes, for peers that a test plays. Knows nothing of `src/http2`.
import { http2Frame } from "../grpc/http2-frame.ts";

export { preface } from "../grpc/http2-frame.ts";

/** RFC 9113, section 6. */
export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** `ack` and `endStream` are one bit. */
export const Flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** RFC 9113, section 6.5.2. */
export const Settings = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Any frame. `length`: what its head claims, where that is not the payload's. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(),
  length: number = payload.length,
): Buffer {
  const bytes = http2Frame({ type, flags, stream }, payload);
  bytes.writeUIntBE(length, 0, 3);
  return bytes;
}

export function data(stream: number, payload: Uint8Array | string, isLast = false): Buffer {
  return frame(Type.data, isLast ? Flags.endStream : 0, stream, Buffer.from(payload));
}

/** A whole header block; by default it ends the stream. */
export function headers(stream: number, block: Uint8Array, isLast = true): Buffer {
  return frame(Type.headers, Flags.endHeaders | (isLast ? Flags.endStream : 0), stream, block);
}

export function reset(stream: number, code = 8): Buffer {
  return frame(Type.reset, 0, stream, uint32(code));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(Type.windowUpdate, 0, stream, uint32(increment));
}

/** Identifiers and values in turn. */
export function settings(...pairs: readonly number[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let at = 0; at < pairs.length; at += 2) {
    payload.writeUInt16BE(pairs[at] as number, at * 3);
    payload.writeUInt32BE(pairs[at + 1] as number, at * 3 + 2);
  }
  return frame(Type.settings, 0, 0, payload);
}

export const settingsAck = frame(Type.settings, Flags.ack, 0);

export function ping(opaque: string, isAck = false): Buffer {
  return frame(Type.ping, isAck ? Flags.ack : 0, 0, Buffer.from(opaque.padEnd(8).slice(0, 8)));
}

export function goaway(lastStream: number, code = 0, text = ""): Buffer {
  return frame(
    Type.goaway,
    0,
    0,
    Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(text)]),
  );
}

export function priority(stream: number, dependsOn: number, weight = 15): Buffer {
  return frame(Type.priority, 0, stream, Buffer.concat([uint32(dependsOn), Buffer.from([weight])]));
}

export function continuation(stream: number, part: Uint8Array, isLast = false): Buffer {
  return frame(Type.continuation, isLast ? Flags.endHeaders : 0, stream, part);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** The same frame so many times. */
export function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes);
}

/** Adds to the ids of the streams that the frames belong to. */
export function moveStreams(frames: Buffer, by: number): void {
  for (let at = 0; at < frames.length; at += 9 + frames.readUIntBE(at, 3))
    frames.writeUInt32BE(frames.readUInt32BE(at + 5) + by, at + 5);
}

// HPACK, as plain as it goes: RFC 7541, sections 5 and 6. Nothing is packed by Huffman's code.

/** An integer with a prefix of so many bits, the bits before it as in `pattern`. */
function hpackInteger(value: number, prefixBits: number, pattern = 0): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([pattern | value]);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function hpackString(text: string | Uint8Array): Buffer {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  return Buffer.concat([hpackInteger(bytes.length, 7), bytes]);
}

/** A field that is found in a table. */
export function hpackIndexed(index: number): Buffer {
  return hpackInteger(index, 7, 0x80);
}

/** A literal that enters the dynamic table; a number is the index of its name. */
export function hpackInserted(name: string | number, value: string): Buffer {
  if (typeof name === "number")
    return Buffer.concat([hpackInteger(name, 6, 0x40), hpackString(value)]);
  return Buffer.concat([Buffer.from([0x40]), hpackString(name), hpackString(value)]);
}

/** A literal that changes no table. */
export function hpackLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), hpackString(name), hpackString(value)]);
}

export function hpackTableSize(size: number): Buffer {
  return hpackInteger(size, 5, 0x20);
}

/** A block of literals: names and values in turn. */
export function block(...fields: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < fields.length; at += 2)
    parts.push(hpackLiteral(fields[at] as string, fields[at + 1] as string));
  return Buffer.concat(parts);
}

/** The head of a request that nothing is wrong with, and more fields. */
export function requestBlock(path: string, ...more: readonly string[]): Buffer {
  return block(
    ...[":method", "POST", ":scheme", "http", ":path", path, ":authority", "localhost"],
    ...more,
  );
}
