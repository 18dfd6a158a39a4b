import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** `bytes` of what has a length, `varint` of a number; the other one is empty or 0. */
export type Field = {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly varint: number;
};

const nothing = new Uint8Array();

/** The fields of a message, whatever they mean. */
export function fieldsOf(bytes: Uint8Array): Field[] {
  const reader = new BinaryReader(bytes);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited)
      fields.push({ number, bytes: reader.bytes(), varint: 0 });
    else if (type === WireType.Varint)
      fields.push({ number, bytes: nothing, varint: Number(reader.uint64()) });
    else reader.skip(type, number);
  }
  return fields;
}

/** The bytes of the last field of that number, which counts; empty where there is none. */
export function lastOf(fields: readonly Field[], wanted: number): Uint8Array {
  return fields.findLast(({ number }) => number === wanted)?.bytes ?? nothing;
}
