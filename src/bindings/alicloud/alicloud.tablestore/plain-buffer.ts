/** A value of a column: a `bigint` is an integer of 64 bits, a `number` a double. */
export type CellValue = string | bigint | number | boolean | Uint8Array;

export type Cell = { readonly name: string; readonly value: CellValue };

export type Row = {
  readonly primaryKey: readonly Cell[];
  readonly attributes?: readonly Cell[];
  /** Marks the row as to be deleted. */
  readonly isDeleted?: boolean;
};

const header = 0x75;
const tag = {
  ...{ primaryKey: 1, attributes: 2, cell: 3, name: 4, value: 5, cellType: 6, timestamp: 7 },
  ...{ deleted: 8, rowChecksum: 9, cellChecksum: 10, extension: 11 },
} as const;
const type = { integer: 0, double: 1, boolean: 2, string: 3, blob: 7 } as const;
const nothing = Buffer.alloc(0);

/** CRC-8 by the polynomial x^8 + x^2 + x + 1. */
const crcTable = Uint8Array.from({ length: 256 }, (_, index) => {
  let rest = index;
  for (let bit = 0; bit < 8; bit++) rest = (rest & 0x80) === 0 ? rest << 1 : (rest << 1) ^ 0x07;
  return rest;
});

function crc8(crc: number, bytes: Uint8Array): number {
  let rest = crc;
  for (const byte of bytes) rest = crcTable[rest ^ byte] ?? 0;
  return rest;
}

const crcOfByte = (crc: number, byte: number): number => crcTable[crc ^ byte] ?? 0;

/** The row in PlainBuffer, the format of Tablestore's rows, with a checksum of each cell and of the row. */
export function encodeRow({ primaryKey, attributes = [], isDeleted = false }: Row): Uint8Array {
  const parts: Buffer[] = [u32(header), Buffer.of(tag.primaryKey)];
  let rowChecksum = 0;
  const write = ({ name, value }: Cell): void => {
    const nameBytes = Buffer.from(name);
    const valueBytes = encodeValue(value);
    const checksum = crc8(crc8(0, nameBytes), valueBytes);
    rowChecksum = crcOfByte(rowChecksum, checksum);
    parts.push(Buffer.of(tag.cell, tag.name), u32(nameBytes.length), nameBytes);
    parts.push(Buffer.of(tag.value), u32(valueBytes.length), valueBytes);
    parts.push(Buffer.of(tag.cellChecksum, checksum));
  };
  for (const cell of primaryKey) write(cell);
  if (attributes.length > 0) {
    parts.push(Buffer.of(tag.attributes));
    for (const cell of attributes) write(cell);
  }
  if (isDeleted) parts.push(Buffer.of(tag.deleted));
  rowChecksum = crcOfByte(rowChecksum, isDeleted ? 1 : 0);
  parts.push(Buffer.of(tag.rowChecksum, rowChecksum));
  return Buffer.concat(parts);
}

/** Reads the one row; `undefined` for no bytes, which say that there is none. Throws for what is damaged. */
export function decodeRow(bytes: Uint8Array): Row | undefined {
  if (bytes.length === 0) return undefined;
  const reader = new Reader(bytes);
  if (reader.u32() !== header) throw new Error("it does not begin with PlainBuffer's header");
  let rowChecksum = 0;
  const cells = (kind: number): Cell[] => {
    const found: Cell[] = [];
    if (!reader.isAt(kind)) return found;
    while (reader.isAt(tag.cell)) {
      const { cell, checksum } = readCell(reader);
      rowChecksum = crcOfByte(rowChecksum, checksum);
      found.push(cell);
    }
    return found;
  };
  const primaryKey = cells(tag.primaryKey);
  const attributes = cells(tag.attributes);
  const isDeleted = reader.isAt(tag.deleted);
  if (reader.isAt(tag.extension)) reader.take(reader.u32());
  rowChecksum = crcOfByte(rowChecksum, isDeleted ? 1 : 0);
  if (!reader.isAt(tag.rowChecksum)) throw new Error("the row has no checksum");
  if (reader.byte() !== rowChecksum) throw new Error("the row's checksum is another");
  if (!reader.isAtEnd) throw new Error("something stands behind the row");
  return { primaryKey, attributes, isDeleted };
}

function readCell(reader: Reader): { cell: Cell; checksum: number } {
  if (!reader.isAt(tag.name)) throw new Error("a cell has no name");
  const name = reader.take(reader.u32());
  if (!reader.isAt(tag.value)) throw new Error("a cell has no value");
  const value = reader.take(reader.u32());
  const cellType = reader.isAt(tag.cellType) ? reader.take(1) : nothing;
  const timestamp = reader.isAt(tag.timestamp) ? reader.take(8) : nothing;
  const checksum = crc8(crc8(crc8(crc8(0, name), value), timestamp), cellType);
  if (!reader.isAt(tag.cellChecksum)) throw new Error("a cell has no checksum");
  if (reader.byte() !== checksum) throw new Error("a cell's checksum is another");
  return { cell: { name: name.toString("utf8"), value: decodeValue(value) }, checksum };
}

/** The value with its type before it, which is what its checksum is made of. */
function encodeValue(value: CellValue): Buffer {
  if (typeof value === "boolean") return Buffer.of(type.boolean, value ? 1 : 0);
  if (typeof value === "bigint") {
    const bytes = Buffer.alloc(9, type.integer);
    bytes.writeBigInt64LE(value, 1);
    return bytes;
  }
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9, type.double);
    bytes.writeDoubleLE(value, 1);
    return bytes;
  }
  const isText = typeof value === "string";
  const bytes = isText ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.of(isText ? type.string : type.blob), u32(bytes.length), bytes]);
}

function decodeValue(bytes: Uint8Array): CellValue {
  const reader = new Reader(bytes);
  const kind = reader.byte();
  const value = readValue(kind, reader);
  if (!reader.isAtEnd) throw new Error(`a value of type ${kind} is too long`);
  return value;
}

function readValue(kind: number, reader: Reader): CellValue {
  switch (kind) {
    case type.integer:
      return reader.take(8).readBigInt64LE();
    case type.double:
      return reader.take(8).readDoubleLE();
    case type.boolean:
      return reader.byte() !== 0;
    case type.string:
      return reader.take(reader.u32()).toString("utf8");
    case type.blob:
      return reader.take(reader.u32());
    default:
      throw new Error(`a value has the type ${kind}, which is not known`);
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Whether the next byte is this one, which is then read. */
  isAt(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("it ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
