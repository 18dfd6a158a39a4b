// HTTP/2 as it is on the wire, for what Node's client does not do.

/** What a connection begins with. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A frame, of a type and with flags by their numbers. */
export function http2Frame(
  { type, flags = 0, stream }: { type: number; flags?: number; stream: number },
  payload: Uint8Array = new Uint8Array(),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A frame as it came. */
export type Http2Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

/** Hands over the frames that are whole, in order, and returns the bytes behind them. */
export function takeFrames(bytes: Buffer, take: (frame: Http2Frame) => void): Buffer {
  let at = 0;
  while (bytes.length - at >= 9) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const [type = 0, flags = 0] = bytes.subarray(at + 3);
    const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    take({ type, flags, stream, payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return bytes.subarray(at);
}

/** Header fields as HPACK's literals, neither indexed nor packed. */
export function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  const text = (one: string): Buffer =>
    Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]);
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}
