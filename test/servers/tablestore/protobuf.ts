import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** The fields of a message by their numbers: bytes, or the value of a number. */
export type Message = ReadonlyMap<number, readonly (Buffer | number)[]>;

export function readMessage(bytes: Buffer): Message {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Buffer | number)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value =
      type === WireType.LengthDelimited ? Buffer.from(reader.bytes()) : Number(reader.int64());
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

export function bytesOf(message: Message, number: number): Buffer[] {
  return (message.get(number) ?? []).filter((value) => Buffer.isBuffer(value));
}

export function textsOf(message: Message, number: number): string[] {
  return bytesOf(message, number).map(String);
}

/** A message of these fields, in this order. */
export function writeMessage(
  ...fields: readonly (readonly [number: number, value: Uint8Array | string | number])[]
): Buffer {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === "number") writer.tag(number, WireType.Varint).int32(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(Buffer.from(value));
  }
  return Buffer.from(writer.finish());
}
