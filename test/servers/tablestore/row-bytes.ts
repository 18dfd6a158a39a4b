/** A value as its type in PlainBuffer and what it holds. */
export type Variant =
  | { readonly kind: "INTEGER"; readonly value: bigint }
  | { readonly kind: "DOUBLE"; readonly value: number }
  | { readonly kind: "BOOLEAN"; readonly value: boolean }
  | { readonly kind: "STRING"; readonly value: string }
  | { readonly kind: "BLOB"; readonly value: Buffer };

export type Column = readonly [name: string, value: Variant];

export type RowBytes = {
  readonly keys: readonly Column[];
  readonly columns: readonly Column[];
  readonly deletes: boolean;
};

/** The reference's CRC-8, bit by bit. */
function crc(seed: number, bytes: Iterable<number>): number {
  let register = seed;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++)
      register = ((register << 1) ^ ((register & 0x80) === 0 ? 0 : 0x07)) & 0xff;
  }
  return register;
}

/** Reads a row as the reference's grammar has it. Throws for each departure, be it a checksum. */
export function readRow(bytes: Buffer): RowBytes {
  let at = 0;
  const next = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error("The row ends too early.");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const expectTag = (wanted: number, what: string): void => {
    const [found] = next(1);
    if (found !== wanted) throw new Error(`Tag ${wanted} (${what}) is expected, not ${found}.`);
  };
  const cellChecksums: number[] = [];
  const readCells = (): Column[] => {
    const cells: Column[] = [];
    while (bytes[at] === 0x03) {
      at++;
      expectTag(0x04, "name");
      const name = next(next(4).readUInt32LE());
      expectTag(0x05, "value");
      const value = next(next(4).readUInt32LE());
      expectTag(0x0a, "checksum of a cell");
      const [told] = next(1);
      const checksum = crc(crc(0, name), value);
      if (told !== checksum) throw new Error("Checksum mismatch of a cell.");
      cellChecksums.push(checksum);
      cells.push([name.toString("utf8"), readVariant(value)]);
    }
    return cells;
  };
  if (next(4).readUInt32LE() !== 0x75) throw new Error("The header is no PlainBuffer's.");
  expectTag(0x01, "primary key");
  const keys = readCells();
  let columns: Column[] = [];
  if (bytes[at] === 0x02) {
    at++;
    columns = readCells();
  }
  const deletes = bytes[at] === 0x08;
  if (deletes) at++;
  expectTag(0x09, "checksum of the row");
  const [told] = next(1);
  if (told !== crc(0, [...cellChecksums, deletes ? 1 : 0]))
    throw new Error("Checksum mismatch of the row.");
  if (at !== bytes.length) throw new Error("Bytes stand behind the row.");
  return { keys, columns, deletes };
}

function readVariant(bytes: Buffer): Variant {
  const length = (wanted: number): void => {
    if (bytes.length !== wanted) throw new Error("The length of a value is wrong.");
  };
  const rest = (): Buffer => {
    length(5 + bytes.readUInt32LE(1));
    return bytes.subarray(5);
  };
  switch (bytes[0]) {
    case 0x0:
      length(9);
      return { kind: "INTEGER", value: bytes.readBigInt64LE(1) };
    case 0x1:
      length(9);
      return { kind: "DOUBLE", value: bytes.readDoubleLE(1) };
    case 0x2:
      length(2);
      return { kind: "BOOLEAN", value: bytes[1] === 1 };
    case 0x3:
      return { kind: "STRING", value: rest().toString("utf8") };
    case 0x7:
      return { kind: "BLOB", value: rest() };
    default:
      throw new Error(`The type ${bytes[0]} of a value is none.`);
  }
}

/** A row as the service answers it: each column with the time of its version. */
export function writeRow(keys: readonly Column[], columns: readonly Column[]): Buffer {
  const checksums: number[] = [];
  const cell = ([name, value]: Column, time: Buffer): Buffer => {
    const content = writeVariant(value);
    const checksum = crc(crc(crc(0, Buffer.from(name)), content), time);
    checksums.push(checksum);
    return Buffer.concat([
      ...[Buffer.of(0x03, 0x04), sized(Buffer.from(name)), Buffer.of(0x05), sized(content)],
      ...(time.length === 0 ? [] : [Buffer.of(0x07), time]),
      Buffer.of(0x0a, checksum),
    ]);
  };
  const time = eight((bytes) => bytes.writeBigInt64LE(BigInt(Date.now())));
  const parts = [
    Buffer.of(0x75, 0, 0, 0, 0x01),
    ...keys.map((key) => cell(key, Buffer.alloc(0))),
    ...(columns.length === 0 ? [] : [Buffer.of(0x02)]),
    ...columns.map((column) => cell(column, time)),
  ];
  return Buffer.concat([...parts, Buffer.of(0x09, crc(0, [...checksums, 0]))]);
}

function writeVariant(variant: Variant): Buffer {
  switch (variant.kind) {
    case "INTEGER":
      return Buffer.concat([
        Buffer.of(0x0),
        eight((bytes) => bytes.writeBigInt64LE(variant.value)),
      ]);
    case "DOUBLE":
      return Buffer.concat([Buffer.of(0x1), eight((bytes) => bytes.writeDoubleLE(variant.value))]);
    case "BOOLEAN":
      return Buffer.of(0x2, variant.value ? 1 : 0);
    case "STRING":
      return Buffer.concat([Buffer.of(0x3), sized(Buffer.from(variant.value))]);
    case "BLOB":
      return Buffer.concat([Buffer.of(0x7), sized(variant.value)]);
  }
}

function eight(write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(8);
  write(bytes);
  return bytes;
}

function sized(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
