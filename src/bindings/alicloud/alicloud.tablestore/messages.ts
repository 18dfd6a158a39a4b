import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { fieldsOf, lastOf } from "../protobuf-fields.ts";
import { decodeRow, encodeRow, type Cell, type Row } from "./plain-buffer.ts";

/** What is read of a row: the newest version of each column. */
export type Query = {
  readonly table: string;
  /** None: all columns. */
  readonly columns: readonly string[];
};

/** A row that was asked for: found, not there, or what the service says of it. */
export type RowAnswer = { readonly row: Row | undefined } | { readonly error: ServiceError };

export type ServiceError = { readonly code: string; readonly message: string };

/** Whatever of the row is there already is no matter. */
const condition = new BinaryWriter().tag(1, WireType.Varint).int32(0).finish();

/** `PutRowRequest` of Tablestore's reference. */
export function encodePutRow(table: string, row: Row): Uint8Array {
  return encodeChange(table, encodeRow(row));
}

/** `DeleteRowRequest`. */
export function encodeDeleteRow(table: string, primaryKey: readonly Cell[]): Uint8Array {
  return encodeChange(table, encodeRow({ primaryKey, isDeleted: true }));
}

/** `DescribeTableRequest`. */
export function encodeDescribeTable(table: string): Uint8Array {
  return text(new BinaryWriter(), 1, table).finish();
}

function encodeChange(table: string, row: Uint8Array): Uint8Array {
  const writer = text(new BinaryWriter(), 1, table);
  return message(message(writer, 2, row), 3, condition).finish();
}

/** `GetRowRequest`. */
export function encodeGetRow({ table, columns }: Query, primaryKey: readonly Cell[]): Uint8Array {
  const writer = message(text(new BinaryWriter(), 1, table), 2, encodeRow({ primaryKey }));
  for (const column of columns) text(writer, 3, column);
  return writer.tag(5, WireType.Varint).int32(1).finish();
}

/** `BatchGetRowRequest` of one table. */
export function encodeBatchGetRow(
  { table, columns }: Query,
  primaryKeys: readonly (readonly Cell[])[],
): Uint8Array {
  const writer = text(new BinaryWriter(), 1, table);
  for (const primaryKey of primaryKeys) message(writer, 2, encodeRow({ primaryKey }));
  for (const column of columns) text(writer, 4, column);
  writer.tag(6, WireType.Varint).int32(1);
  return message(new BinaryWriter(), 1, writer.finish()).finish();
}

/** `GetRowResponse`. Throws for what is none. */
export function decodeGetRow(bytes: Uint8Array): Row | undefined {
  return decodeRow(lastOf(fieldsOf(bytes), 2));
}

/** `BatchGetRowResponse`: a row for each that was asked for, in that order. Throws for what is none. */
export function decodeBatchGetRow(bytes: Uint8Array): RowAnswer[] {
  return all(bytes, 1).flatMap((table) => all(table, 2).map(decodeRowAnswer));
}

function decodeRowAnswer(bytes: Uint8Array): RowAnswer {
  const fields = fieldsOf(bytes);
  const isOk = fields.findLast(({ number }) => number === 1)?.varint === 1;
  return isOk ? { row: decodeRow(lastOf(fields, 4)) } : { error: decodeError(lastOf(fields, 2)) };
}

/** `Error`. Throws for what is none. */
export function decodeError(bytes: Uint8Array): ServiceError {
  const fields = fieldsOf(bytes);
  const textAt = (number: number): string => Buffer.from(lastOf(fields, number)).toString("utf8");
  return { code: textAt(1), message: textAt(2) };
}

function text(writer: BinaryWriter, number: number, value: string): BinaryWriter {
  return writer.tag(number, WireType.LengthDelimited).string(value);
}

function message(writer: BinaryWriter, number: number, value: Uint8Array): BinaryWriter {
  return writer.tag(number, WireType.LengthDelimited).bytes(value);
}

function all(bytes: Uint8Array, wanted: number): Uint8Array[] {
  return fieldsOf(bytes)
    .filter(({ number }) => number === wanted)
    .map((field) => field.bytes);
}
