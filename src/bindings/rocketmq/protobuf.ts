import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** What a field has: a text, bytes (those of a message, too) or a number. `undefined`: it is left out. */
export type FieldValue = string | Uint8Array | number | bigint | boolean | undefined;

/** Encodes a message. Of a repeated field there is an entry for each value. */
export function encode(
  fields: readonly (readonly [number: number, value: FieldValue])[],
): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    if (typeof value === "string") writer.tag(number, WireType.LengthDelimited).string(value);
    else if (value instanceof Uint8Array) writer.tag(number, WireType.LengthDelimited).bytes(value);
    else if (typeof value === "boolean") writer.tag(number, WireType.Varint).bool(value);
    else writer.tag(number, WireType.Varint).int64(value);
  }
  return writer.finish();
}

/** The fields of a message, read one after another; what `take` does not read is skipped. */
export function decode(
  bytes: Uint8Array,
  take: (number: number, reader: BinaryReader) => unknown,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const before = reader.pos;
    take(number, reader);
    if (reader.pos === before) reader.skip(type, number);
  }
}

/** `google.protobuf.Duration`. */
export function duration(milliseconds: number): Uint8Array {
  const whole = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.round((milliseconds - whole * 1000) * 1_000_000);
  return encode([
    [1, whole || undefined],
    [2, nanoseconds || undefined],
  ]);
}

/** Milliseconds of a `google.protobuf.Duration`, or since 1970 of a `Timestamp`. */
export function milliseconds(bytes: Uint8Array): number {
  let result = 0;
  decode(bytes, (number, reader) => {
    if (number === 1) result += Number(reader.int64()) * 1000;
    else if (number === 2) result += reader.int32() / 1_000_000;
  });
  return result;
}
