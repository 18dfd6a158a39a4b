import { jsonText, numberText } from "../../sql/json-text.ts";
import { PacketReader } from "./packets.ts";
import { dateTimeJson, sentDateTime, sentTime, type Zone } from "./times.ts";

/** A column of a result, as far as its values' JSON depends on it. */
export type Column = {
  readonly name: string;
  /** With its table's alias, as `columnsWithAlias` has it. */
  readonly fullName: string;
  readonly type: number;
  readonly isUnsigned: boolean;
  readonly isBinary: boolean;
  readonly decimals: number;
};

/** The numbers of the protocol's types. */
const types = {
  ...{ tiny: 1, short: 2, long: 3, float: 4, double: 5, null: 6, timestamp: 7, longLong: 8 },
  ...{ int24: 9, date: 10, time: 11, dateTime: 12, year: 13, newDate: 14, varchar: 15, bit: 16 },
  ...{ json: 245, decimal: 0, newDecimal: 246, enum: 247, set: 248, geometry: 255 },
} as const;
/** Of bytes, or of text: their character set tells. */
const blobsAndStrings: ReadonlySet<number> = new Set([249, 250, 251, 252, 253, 254]);
const dates: ReadonlySet<number> = new Set([
  ...[types.date, types.newDate, types.dateTime, types.timestamp],
]);
const numbers: ReadonlySet<number> = new Set([
  ...[types.tiny, types.short, types.long, types.float, types.double],
  ...[types.longLong, types.int24, types.year],
]);
const texts: ReadonlySet<number> = new Set([
  ...[types.decimal, types.newDecimal, types.varchar, types.enum, types.set, types.time],
]);

const unsignedFlag = 0x20;
const binaryCharset = 63;

/** `isExtended`: MariaDB tells more of the type, in one more field. */
export function readColumn(payload: Buffer, isExtended: boolean): Column {
  const reader = new PacketReader(payload);
  const text = (): string => reader.counted()?.toString("utf8") ?? "";
  text();
  text();
  const table = text();
  text();
  const name = text();
  text();
  if (isExtended) reader.counted();
  reader.number();
  const charset = reader.unsigned(2);
  reader.unsigned(4);
  const type = reader.unsigned(1);
  const flags = reader.unsigned(2);
  return {
    ...{ name, fullName: table === "" ? name : `${table}.${name}`, type },
    isUnsigned: (flags & unsignedFlag) !== 0,
    isBinary: charset === binaryCharset,
    decimals: reader.unsigned(1),
  };
}

/** Dapr's driver gives bytes, JSON and what has no type as null; of all others a NULL is left out. */
export function writesNull(column: Column): boolean {
  return !isText(column) && !numbers.has(column.type) && !dates.has(column.type);
}

function isText({ type, isBinary }: Column): boolean {
  return texts.has(type) || (blobsAndStrings.has(type) && !isBinary);
}

/** The JSON of a value in the text that the server writes without parameters. */
export function textJson(column: Column, value: Buffer, zone: Zone): string {
  const { type } = column;
  if (type === types.float) return floatJson(Number(value.toString("latin1")));
  if (type === types.double) return numberText(Number(value.toString("latin1")));
  if (numbers.has(type)) return BigInt(value.toString("latin1")).toString();
  if (dates.has(type)) return dateTimeJson(value.toString("latin1"), zone);
  return isText(column) ? jsonText(value.toString("utf8")) : `"${value.toString("base64")}"`;
}

/** Reads a value as the server sends it with parameters, and returns its JSON. */
export function sentJson(column: Column, reader: PacketReader, zone: Zone): string {
  const { type, isUnsigned } = column;
  if (type === types.float) return floatJson(reader.bytes(4).readFloatLE());
  if (type === types.double) return numberText(reader.bytes(8).readDoubleLE());
  if (type === types.longLong) {
    const bytes = reader.bytes(8);
    return String(isUnsigned ? bytes.readBigUInt64LE() : bytes.readBigInt64LE());
  }
  if (numbers.has(type)) {
    const size = type === types.tiny ? 1 : type === types.short || type === types.year ? 2 : 4;
    return String(isUnsigned ? reader.unsigned(size) : reader.signed(size));
  }
  const value = reader.counted() ?? Buffer.alloc(0);
  if (dates.has(type)) return dateTimeJson(sentDateTime(value), zone);
  if (type === types.time) return jsonText(sentTime(value, column.decimals));
  return isText(column) ? jsonText(value.toString("utf8")) : `"${value.toString("base64")}"`;
}

/** The shortest digits that are this `float` and no other. */
function floatJson(value: number): string {
  const exact = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(exact.toPrecision(digits));
    if (Math.fround(short) === exact) return numberText(short);
  }
  return numberText(Number(exact.toPrecision(9)));
}
