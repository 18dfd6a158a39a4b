import { BindingError } from "../../errors.ts";
import { HessianObject } from "./hessian-reader.ts";

/** What a generic call is given: the names of the parameters' types, and their values. */
export type GenericCall = {
  readonly parameterTypes: readonly string[];
  readonly arguments: readonly unknown[];
};

const deepest = 128;
/** References let a small answer be a large text. */
const largestText = 64 * 1024 * 1024;

/** Reads the data of a generic call. Throws a `BindingError`. */
export function genericCall(data: Uint8Array | undefined): GenericCall {
  let value: unknown;
  try {
    value = data === undefined || data.length === 0 ? {} : parse(Buffer.from(data).toString());
  } catch (error) {
    throw new BindingError("invalid_argument", "dubbo: the data are no JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw form();
  const { parameterTypes = [], arguments: values = [], ...others } = value as Partial<GenericCall>;
  if (!Array.isArray(parameterTypes) || !Array.isArray(values)) throw form();
  if (!parameterTypes.every((type) => typeof type === "string") || Object.keys(others).length > 0)
    throw form();
  if (parameterTypes.length !== values.length)
    throw new BindingError(
      "invalid_argument",
      `dubbo: there are ${parameterTypes.length} parameterTypes and ${values.length} arguments`,
    );
  return { parameterTypes, arguments: values };
}

function form(): BindingError {
  return new BindingError(
    "invalid_argument",
    'dubbo: the data are JSON as {"parameterTypes": ["java.lang.String"], "arguments": ["x"]}',
  );
}

/** Integers that a `number` cannot hold become a `bigint`. */
function parse(text: string): unknown {
  return JSON.parse(text, function exact(_name, value: unknown, context?: { source?: string }) {
    const { source = "" } = context ?? {};
    const isExact = typeof value !== "number" || Number.isSafeInteger(value);
    return isExact || !/^-?\d+$/.test(source) ? value : BigInt(source);
  } as (name: string, value: unknown) => unknown);
}

/**
 * Writes a value as JSON: longs with all their digits, bytes in base64, times as ISO 8601, a map whose keys are no texts as pairs.
 * Throws an `Error` for what refers to itself.
 */
export function jsonText(value: unknown): string {
  const writer = { size: 0, open: new Set<unknown>() };
  return textOf(value, writer, 0);
}

type Writing = { size: number; readonly open: Set<unknown> };

function textOf(value: unknown, writing: Writing, depth: number): string {
  if (value instanceof HessianObject || Array.isArray(value)) {
    if (depth > deepest || writing.open.has(value)) throw new Error("the answer contains itself");
    count(writing, 2);
    writing.open.add(value);
    const text = Array.isArray(value)
      ? `[${value.map((item) => textOf(item, writing, depth + 1)).join(",")}]`
      : objectText(value, writing, depth);
    writing.open.delete(value);
    return text;
  }
  const text = scalarText(value);
  count(writing, text.length);
  return text;
}

function count(writing: Writing, characters: number): void {
  if ((writing.size += characters) > largestText) throw new Error("the answer is too large");
}

function scalarText(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return JSON.stringify(String(value));
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? "null" : JSON.stringify(value.toISOString());
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("base64"));
  return JSON.stringify(value ?? null);
}

function objectText({ fields }: HessianObject, writing: Writing, depth: number): string {
  const isNamed = [...fields.keys()].every((name) => typeof name === "string");
  const members = [...fields].map(([name, member]) => {
    const text = textOf(member, writing, depth + 1);
    return isNamed
      ? `${JSON.stringify(name)}:${text}`
      : `[${textOf(name, writing, depth + 1)},${text}]`;
  });
  return isNamed ? `{${members.join(",")}}` : `[${members.join(",")}]`;
}
