import { BindingError } from "../../../errors.ts";
import { isList, JsonNumber, jsonText, numberText, parseJson } from "../../../sql/json-text.ts";
import type { JsonValue } from "../../../sql/json-text.ts";
import type { Cell, CellValue, Row } from "./plain-buffer.ts";

/** The members of a row in JSON, by their names. */
export type Members = ReadonlyMap<string, JsonValue>;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads the data, a JSON object. Throws a `BindingError`. */
export function membersOf(data: Uint8Array | undefined): Members {
  const value = parse(data);
  if (isMembers(value)) return value;
  throw refused("the data are no JSON object");
}

/** Reads the data, a list of JSON objects. Throws a `BindingError`. */
export function listOfMembers(data: Uint8Array | undefined): Members[] {
  const value = parse(data);
  if (isList(value) && value.every(isMembers)) return [...value];
  throw refused("the data are no list of JSON objects");
}

/** The primary key's columns in the order of the names. Throws a `BindingError` for one that is missing. */
export function primaryKeyOf(members: Members, names: readonly string[]): Cell[] {
  return names.map((name) => {
    const value = members.get(name);
    const shown = JSON.stringify(name);
    if (value === undefined || value === null)
      throw refused(`the primary key's column ${shown} is not in the data`);
    if (typeof value === "string") return { name, value };
    if (value instanceof JsonNumber) {
      const integer = integerOf(value.text);
      if (integer !== undefined) return { name, value: integer };
    }
    throw refused(`the primary key's column ${shown} must be a text, or an integer of 64 bits`);
  });
}

/** All columns but those of the primary key. Throws a `BindingError` for what no column can be. */
export function attributesOf(members: Members, primaryKeys: readonly string[]): Cell[] {
  return [...members]
    .filter(([name]) => !primaryKeys.includes(name))
    .map(([name, value]) => ({ name, value: attribute(name, value) }));
}

/** The row as JSON, as Go writes it. Throws a `BindingError` for a number that JSON has not. */
export function rowText(row: Row | undefined): string {
  if (row === undefined) return "null";
  const cells = new Map<string, CellValue>();
  for (const { name, value } of [...row.primaryKey, ...(row.attributes ?? [])])
    cells.set(name, value);
  const members = [...cells]
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, value]) => `${jsonText(name)}:${valueText(name, value)}`);
  return `{${members.join(",")}}`;
}

/** A number is a double, as all numbers are to Dapr; an integer that is none without loss keeps its digits. */
function attribute(name: string, value: JsonValue): CellValue {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof JsonNumber) {
    const double = Number(value.text);
    const integer = integerOf(value.text);
    if (integer !== undefined && BigInt(double) !== integer) return integer;
    if (Number.isFinite(double)) return double;
  }
  throw refused(
    `the column ${JSON.stringify(name)} must be a text, a number or a truth value: Tablestore has no other`,
  );
}

function integerOf(text: string): bigint | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

function valueText(name: string, value: CellValue): string {
  if (typeof value === "string") return jsonText(value);
  if (typeof value === "number") {
    if (Number.isFinite(value)) return numberText(value);
    const text = `the column ${JSON.stringify(name)} is ${value}, which JSON has not`;
    throw new BindingError("failed_precondition", text, { effect: "rejected" });
  }
  if (typeof value === "object") return `"${Buffer.from(value).toString("base64")}"`;
  return String(value);
}

function parse(data: Uint8Array | undefined): JsonValue {
  try {
    return parseJson(decoder.decode(data ?? new Uint8Array()));
  } catch {
    throw refused("the data are no JSON");
  }
}

function isMembers(value: JsonValue): value is Members {
  return value instanceof Map;
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `tablestore: ${why}`, { effect: "unsent" });
}
