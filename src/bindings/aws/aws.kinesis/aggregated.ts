import { createHash } from "node:crypto";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { KinesisRecord } from "./stream.ts";

/** One of the records that Amazon's producer library (KPL) puts into one record of the stream. */
export type UserRecord = { readonly key: string; readonly data: Uint8Array };

const magic = Buffer.from("f3899ac2", "hex");
const digestLength = 16;

/**
 * The records in one that the producer library has aggregated: a mark, a message of Protocol Buffers, and its MD5. `undefined`:
 * it is a record as any other, or none that can be read.
 */
export function aggregatedIn({ data }: Pick<KinesisRecord, "data">): UserRecord[] | undefined {
  if (data.length <= magic.length + digestLength || !data.subarray(0, 4).equals(magic))
    return undefined;
  const message = data.subarray(magic.length, data.length - digestLength);
  const digest = createHash("md5").update(message).digest();
  if (!digest.equals(data.subarray(data.length - digestLength))) return undefined;
  try {
    return read(message);
  } catch {
    return undefined;
  }
}

function read(message: Uint8Array): UserRecord[] | undefined {
  const keys: string[] = [];
  const records: { keyAt: number; data: Uint8Array }[] = [];
  fields(message, (field, type, reader) => {
    if (field === 1 && type === WireType.LengthDelimited) keys.push(reader.string());
    else if (field === 3 && type === WireType.LengthDelimited) records.push(record(reader.bytes()));
    else reader.skip(type, field);
  });
  const read = records.map(({ keyAt, data }) => ({ key: keys[keyAt], data }));
  return read.every((one): one is UserRecord => one.key !== undefined) ? read : undefined;
}

function record(message: Uint8Array): { keyAt: number; data: Uint8Array } {
  let keyAt = -1;
  let data: Uint8Array = new Uint8Array();
  fields(message, (field, type, reader) => {
    if (field === 1 && type === WireType.Varint) keyAt = Number(reader.uint64());
    else if (field === 3 && type === WireType.LengthDelimited) data = reader.bytes();
    else reader.skip(type, field);
  });
  return { keyAt, data };
}

function fields(
  message: Uint8Array,
  take: (field: number, type: WireType, reader: BinaryReader) => void,
): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    take(field, type, reader);
  }
}
