import { BindingError } from "../../errors.ts";
import { readParameters, valuesOf } from "../../sql/call.ts";
import { isList, JsonNumber, type JsonValue } from "../../sql/json-text.ts";
import { counted } from "./packets.ts";
import { placeholders } from "./placeholders.ts";

/** A value as the server takes it: the number of its type, whether it has no sign, its bytes. */
export type Parameter = {
  readonly type: number;
  readonly isUnsigned: boolean;
  /** `undefined`: NULL. */
  readonly bytes: Buffer | undefined;
};

/** A statement with its parameters by place. */
export type BoundStatement = { readonly text: string; readonly values: readonly Parameter[] };

const [tiny, double, none, longLong, decimal, string] = [1, 5, 6, 8, 246, 253];

/** Puts a call's `params` to its statement. Throws a `BindingError`. */
export function bindParameters(sql: string, params: string | undefined): BoundStatement {
  const given = readParameters(params);
  if (!(given instanceof Map))
    return { text: sql, values: (given as readonly JsonValue[]).map(parameter) };
  const { text, names } = placeholders(sql);
  return { text, values: valuesOf(names, ":", given).map(parameter) };
}

function parameter(value: JsonValue, index: number): Parameter {
  if (value === null) return { type: none, isUnsigned: false, bytes: undefined };
  if (typeof value === "boolean")
    return { type: tiny, isUnsigned: false, bytes: Buffer.of(value ? 1 : 0) };
  if (value instanceof JsonNumber) return numberParameter(value.text);
  if (typeof value === "string")
    return { type: string, isUnsigned: false, bytes: counted(Buffer.from(value)) };
  // As Dapr's driver words it.
  const kind = isList(value)
    ? "[]interface {}, a slice of interface"
    : "map[string]interface {}, a map";
  throw new BindingError(
    "invalid_argument",
    `error executing query: sql: converting argument $${index + 1} type: unsupported type ${kind}`,
  );
}

/** A double, as Dapr sends all numbers; what a double does not hold is sent with all its digits. */
function numberParameter(text: string): Parameter {
  const bytes = Buffer.alloc(8);
  const value = Number(text);
  if (!/^-?\d+$/.test(text)) {
    if (String(value) !== text)
      return { type: decimal, isUnsigned: false, bytes: counted(Buffer.from(text)) };
    bytes.writeDoubleLE(value);
    return { type: double, isUnsigned: false, bytes };
  }
  const whole = BigInt(text);
  if (Number.isFinite(value) && BigInt(value) === whole) {
    bytes.writeDoubleLE(value);
    return { type: double, isUnsigned: false, bytes };
  }
  if (BigInt.asIntN(64, whole) === whole) {
    bytes.writeBigInt64LE(whole);
    return { type: longLong, isUnsigned: false, bytes };
  }
  if (BigInt.asUintN(64, whole) === whole) {
    bytes.writeBigUInt64LE(whole);
    return { type: longLong, isUnsigned: true, bytes };
  }
  return { type: decimal, isUnsigned: false, bytes: counted(Buffer.from(text)) };
}

/** What is sent to run a prepared statement. */
export function executePayload(statement: number, values: readonly Parameter[]): Buffer {
  const head = Buffer.alloc(10);
  head[0] = 0x17;
  head.writeUInt32LE(statement, 1);
  // It runs once.
  head.writeUInt32LE(1, 6);
  if (values.length === 0) return head;
  const nulls = Buffer.alloc((values.length + 7) >> 3);
  const types = Buffer.alloc(2 * values.length);
  for (const [at, { type, isUnsigned, bytes }] of values.entries()) {
    if (bytes === undefined) nulls[at >> 3] = (nulls[at >> 3] ?? 0) | (1 << (at & 7));
    types[2 * at] = type;
    types[2 * at + 1] = isUnsigned ? 0x80 : 0;
  }
  const sent = values.flatMap(({ bytes }) => bytes ?? []);
  return Buffer.concat([head, nulls, Buffer.of(1), types, ...sent]);
}
