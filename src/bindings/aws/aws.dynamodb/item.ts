import { BindingError } from "../../../errors.ts";
import { isList, JsonNumber, parseJson } from "../../../sql/json-text.ts";
import type { JsonValue } from "../../../sql/json-text.ts";

/** A value as DynamoDB's JSON has it. */
export type AttributeValue =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly BOOL: boolean }
  | { readonly NULL: true }
  | { readonly L: readonly AttributeValue[] }
  | { readonly M: Item };

export type Item = Readonly<Record<string, AttributeValue>>;

/** The levels that DynamoDB takes. */
const deepest = 32;
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads the data, a JSON object, as an item; numbers keep their digits. Throws a `BindingError`. */
export function itemOf(data: Uint8Array | undefined): Item {
  let value: JsonValue;
  try {
    value = parseJson(decoder.decode(data ?? new Uint8Array()));
  } catch {
    throw refused("the data are no JSON");
  }
  if (!(value instanceof Map)) throw refused("the data are no JSON object");
  return members(value as ReadonlyMap<string, JsonValue>, 0);
}

function members(value: ReadonlyMap<string, JsonValue>, depth: number): Item {
  return Object.fromEntries([...value].map(([name, one]) => [name, attribute(one, depth + 1)]));
}

function attribute(value: JsonValue, depth: number): AttributeValue {
  if (depth > deepest) throw refused(`the data are nested deeper than ${deepest} levels`);
  if (value === null) return { NULL: true };
  if (typeof value === "string") return { S: value };
  if (typeof value === "boolean") return { BOOL: value };
  if (value instanceof JsonNumber) return { N: value.text };
  if (isList(value)) return { L: value.map((one) => attribute(one, depth + 1)) };
  return { M: members(value, depth) };
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `dynamodb binding error: ${why}`, {
    effect: "unsent",
  });
}
