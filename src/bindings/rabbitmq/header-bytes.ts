/**
 * The driver reads every text of a header table as UTF-8, so that other bytes are lost, and rounds
 * integers above 2^53. This keeps the bytes of a message's table beside the driver's values, to read
 * from them what is affected. They are looked at in no other case.
 */
const tableBytes = Symbol("the bytes that the properties were read from");

/** The parts of the driver's connection that are used here. */
type FrameReader = {
  rest: Buffer;
  recvFrame(): false | { id?: number; fields?: object };
};

const basicProperties = 60;
const frameHeader = 7;

/** Makes the connection keep what {@link exactHeader} needs. */
export function keepHeaderBytes(connection: object): void {
  const reader = connection as FrameReader;
  if (typeof reader.recvFrame !== "function" || !Buffer.isBuffer(reader.rest)) return;
  const receive = reader.recvFrame.bind(reader);
  reader.recvFrame = () => {
    const before = reader.rest;
    const frame = receive();
    // A frame completed by new bytes was read by a call of its own, within this one.
    if (
      frame !== false &&
      frame.id === basicProperties &&
      frame.fields &&
      !(tableBytes in frame.fields)
    ) {
      const end = before.length - reader.rest.length;
      Object.defineProperty(frame.fields, tableBytes, {
        value: before.subarray(frameHeader, end - 1),
      });
    }
    return frame;
  };
}

/** The bytes of a text, or the digits of an integer, as they came; `undefined`: not known. */
export function exactHeader(properties: object, name: string): Buffer | undefined {
  const payload = (properties as { [tableBytes]?: Buffer })[tableBytes];
  if (payload === undefined) return undefined;
  try {
    return find(headerTable(payload), Buffer.from(name));
  } catch (error) {
    // Not laid out as expected: the driver's own value will do.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Properties: class, weight, size, flags, then contentType and contentEncoding if flagged, then headers. */
function headerTable(payload: Buffer): Buffer {
  const flags = payload.readUInt16BE(12);
  let offset = 14;
  if (flags & 0x8000) offset += 1 + payload.readUInt8(offset);
  if (flags & 0x4000) offset += 1 + payload.readUInt8(offset);
  const size = payload.readUInt32BE(offset);
  return payload.subarray(offset + 4, offset + 4 + size);
}

/** The last field of that name counts, as for the driver. */
function find(table: Buffer, name: Buffer): Buffer | undefined {
  let found: Buffer | undefined;
  let offset = 0;
  while (offset < table.length) {
    const nameEnd = offset + 1 + table.readUInt8(offset);
    const isIt = table.subarray(offset + 1, nameEnd).equals(name);
    const type = String.fromCharCode(table.readUInt8(nameEnd));
    const start = nameEnd + 1;
    const end = start + sizeOf(type, table, start);
    if (isIt) {
      if (type === "S") found = table.subarray(start + 4, end);
      else if (type === "l") found = Buffer.from(String(table.readBigInt64BE(start)));
      else found = undefined;
    }
    offset = end;
  }
  return found;
}

function sizeOf(type: string, table: Buffer, start: number): number {
  if ("SxFA".includes(type)) return 4 + table.readUInt32BE(start);
  if ("lTd".includes(type)) return 8;
  if ("Iif".includes(type)) return 4;
  if ("su".includes(type)) return 2;
  if ("bBt".includes(type)) return 1;
  if (type === "D") return 5;
  if (type === "V") return 0;
  throw new RangeError(`no size is known of a field of type ${type}`);
}
