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

/** Header fields as HPACK's literals, neither indexed nor packed. */
export function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  const text = (one: string): Buffer =>
    Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]);
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}
