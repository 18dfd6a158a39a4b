import { readParameters, valuesOf } from "../../sql/call.ts";
import { isList, JsonNumber, writeJson, type JsonValue } from "../../sql/json-text.ts";
import { placeholders } from "./placeholders.ts";

/** A statement as the server takes it, with its parameters by place; without any it has none. */
export type BoundStatement = { readonly text: string; readonly values: readonly JsonValue[] };

/** Puts a call's `params` to its statement. Throws a `BindingError`. */
export function bindParameters(sql: string, params: string | undefined): BoundStatement {
  const given = readParameters(params);
  if (!(given instanceof Map)) return { text: sql, values: given as readonly JsonValue[] };
  const { text, names } = placeholders(sql);
  return { text, values: valuesOf(names, "@", given) };
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
