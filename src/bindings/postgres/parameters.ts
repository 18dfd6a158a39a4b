import { BindingError, messageOf } from "../../errors.ts";
import { isList, JsonNumber, parseJson, writeJson, type JsonValue } from "./json-text.ts";
import { placeholders } from "./placeholders.ts";

/** A statement as the server takes it, with its parameters by place; without any it has none. */
export type BoundStatement = { readonly text: string; readonly values: readonly JsonValue[] };

/** Puts a call's `params` to its statement. Throws a `BindingError`. */
export function bindParameters(sql: string, params: string | undefined): BoundStatement {
  if (params === undefined || params === "") return { text: sql, values: [] };
  let given: JsonValue;
  try {
    given = parseJson(params);
  } catch (error) {
    throw notAnArray(messageOf(error));
  }
  // Go reads null as an array without elements.
  if (given === null) return { text: sql, values: [] };
  if (isList(given)) return { text: sql, values: given };
  if (!(given instanceof Map)) throw notAnArray("it is neither an array nor an object");
  const { text, names } = placeholders(sql);
  const named: ReadonlyMap<string, JsonValue> = given;
  const values = names.map((name) => {
    const value = named.get(name);
    if (value !== undefined) return value;
    throw new BindingError(
      "invalid_argument",
      `invalid metadata property params: the statement names @${name}, which is not in it`,
    );
  });
  return { text, values };
}

function notAnArray(why: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `invalid metadata property params: failed to unserialize into an array: ${why}`,
  );
}

/** Whether the text of a parameter depends on its type, which only the server knows. */
export function needsType(value: JsonValue): boolean {
  return value !== null && isList(value);
}

const jsonTypes = new Set([114, 3802]);

/** The text that the server reads as the parameter's type. An array is JSON where the parameter is, else an SQL array. */
export function parameterText(value: JsonValue, type: number | undefined): string | null {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (value instanceof JsonNumber) return value.text;
  const isJson = !isList(value) || (type !== undefined && jsonTypes.has(type));
  return isJson ? writeJson(value) : arrayLiteral(value);
}

function arrayLiteral(values: readonly JsonValue[]): string {
  const elements = values.map((value) => {
    if (value !== null && isList(value)) return arrayLiteral(value);
    const text = parameterText(value, undefined);
    return text === null ? "NULL" : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  });
  return `{${elements.join(",")}}`;
}
