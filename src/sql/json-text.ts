/** JSON as it is read here: numbers keep their digits. */
export type JsonValue =
  | string
  | boolean
  | null
  | JsonNumber
  | readonly JsonValue[]
  | ReadonlyMap<string, JsonValue>;

export class JsonNumber {
  /** As Go writes it, unless a `double` would lose digits of it. */
  readonly text: string;

  constructor(source: string) {
    const value = Number(source);
    const digits = source.replace(/[eE].*$/, "").replaceAll(/[-.]/g, "");
    const significant = digits.replace(/^0+/, "").replace(/0+$/, "").length;
    const isExact = Number.isFinite(value) && significant <= 15;
    this.text = isExact ? numberText(value) : source;
  }
}

/** As Go writes it. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;

/** Throws what `JSON.parse` throws. */
export function parseJson(text: string): JsonValue {
  return parse(text, (_, value, { source }) => {
    if (typeof value === "number") return new JsonNumber(source ?? String(value));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? new Map(Object.entries(value)) : value;
  }) as JsonValue;
}

/** A list of texts, truth values and nulls, which needs no look at how each is written. Undefined: it is something else. */
export function readSimpleList(text: string): readonly JsonValue[] | undefined {
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) && value.every(isSimple) ? value : undefined;
}

function isSimple(value: unknown): value is string | boolean | null {
  return value === null || typeof value === "string" || typeof value === "boolean";
}

/** Keys sorted and no space between, as Go writes it. */
export function writeJson(value: JsonValue): string {
  if (value === null) return "null";
  if (typeof value === "string") return jsonText(value);
  if (typeof value === "boolean") return String(value);
  if (value instanceof JsonNumber) return value.text;
  if (isList(value)) return `[${value.map(writeJson).join(",")}]`;
  const members = [...value]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${jsonText(key)}:${writeJson(member)}`);
  return `{${members.join(",")}}`;
}

export function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A JSON string as Go writes it, which may stand in HTML. */
export function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
