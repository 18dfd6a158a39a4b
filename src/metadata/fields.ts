import { parseBoolean } from "./boolean.ts";
import { formatByteSize, parseByteSize } from "./byte-size.ts";
import { parseDuration } from "./duration.ts";

/**
 * A field of a component's or a request's metadata, declared once as a value. Parsing, the inferred
 * TypeScript type, JSON Schema, Dapr's metadata.yaml and the docs table all come from it.
 */
export type Field<Value = unknown, Present extends boolean = boolean> = {
  readonly kind: FieldKind;
  readonly description: string;
  readonly required: boolean;
  /** The default as a person would write it in YAML; `undefined`: none. */
  readonly default: string | undefined;
  readonly example: string | undefined;
  /** Its text is never logged, quoted in an error or shown in an API. */
  readonly sensitive: boolean;
  /** The direction that uses it; `undefined`: both. */
  readonly direction: "input" | "output" | undefined;
  /** Other names, in the order in which they are looked for when the field's own is absent. */
  readonly aliases: readonly string[];
  /** Why not to use it any more, and what instead. */
  readonly deprecated: string | undefined;
  /** Set: the value is a size in bytes of what also has to fit into a request or a gRPC answer of the server. */
  readonly within: "request" | "answer" | undefined;
  /** The allowed texts, where they are a closed list. */
  readonly allowed: readonly string[] | undefined;
  /** The bounds of an integer, or of a size in bytes, where it has some of its own. */
  readonly bounds?: { readonly min?: number; readonly max?: number };
  /**
   * Set: it stands for all names that begin with this text, as written (`header:` for `header:NAME`), and its value is
   * a map of what follows, as written, to what `parse` makes of each text.
   */
  readonly prefix?: string;
  /** Reads the text. Never throws. */
  readonly parse: (text: string) => Parsed<Value>;
  /** Type only: whether a value is always there. */
  readonly present?: Present;
};

export type FieldKind =
  | "string"
  | "bool"
  | "integer"
  | "number"
  | "duration"
  | "byteSize"
  | "list"
  | "oneOf";

/** A field's value, perhaps with a warning that a person should read; or what is wrong with the text. */
export type Parsed<Value> = { value: Value; warning?: string } | { problem: string };

/** Fields by name, as a binding declares them. */
export type Fields = Readonly<Record<string, Field>>;

/** A field for all names that begin with a text. */
export type PrefixField<Value = unknown> = Field<Value> & { readonly prefix: string };

/**
 * The values of declared fields: `| undefined` where neither required nor defaulted. A field for names by prefix has
 * a map, which may be empty.
 */
export type Values<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends PrefixField<infer Value>
    ? ReadonlyMap<string, Value>
    : F[Name] extends Field<infer Value, infer Present>
      ? Present extends true
        ? Value
        : Value | undefined
      : never;
};

export type FieldOptions = {
  description: string;
  required?: true;
  default?: string;
  example?: string;
  sensitive?: true;
  direction?: "input" | "output";
  aliases?: readonly string[];
  deprecated?: string;
  within?: "request" | "answer";
};

export type PresentIf<O> = O extends { required: true } | { default: string } ? true : false;

/** Any text. */
export function string<const O extends FieldOptions>(options: O): Field<string, PresentIf<O>> {
  return declare("string", options, (text) => ({ value: text }));
}

/**
 * `true` for y, yes, true, t, on, 1 in any case; every other text is false, with a warning where it
 * is no known way of saying no. `strict` takes Go's `ParseBool` words only and refuses the rest, as
 * Dapr's redis component does.
 */
export function bool<const O extends FieldOptions & { strict?: true }>(
  options: O,
): Field<boolean, PresentIf<O>> {
  return declare("bool", options, options.strict ? parseStrictBool : parseTruthy);
}

/** Go's integers: `0x10`, `0b1`, `0o7`, `010`, `1_000`; the empty text is 0. */
export function integer<const O extends FieldOptions & { min?: number; max?: number }>(
  options: O,
): Field<number, PresentIf<O>> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const field = declare("integer", options, (text) => {
    const value = parseInteger(text);
    if (value === undefined) return { problem: "is not an integer" };
    if (value < min || value > max) return { problem: `must be from ${min} to ${max}` };
    return { value };
  });
  return { ...field, bounds: boundsOf(options) };
}

function boundsOf({ min, max }: { min?: number; max?: number }): NonNullable<Field["bounds"]> {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

/** A decimal number; the empty text is 0. */
export function number<const O extends FieldOptions>(options: O): Field<number, PresentIf<O>> {
  return declare("number", options, (text) => {
    const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text);
    const value = text === "" ? 0 : Number(text);
    return (decimal || text === "") && Number.isFinite(value)
      ? { value }
      : { problem: "is not a number" };
  });
}

/**
 * A Go duration (`300ms`, `1.5h`, `2h45m`) in milliseconds; a bare integer is seconds, or
 * milliseconds with `bare: "ms"`. The empty text is 0.
 */
export function duration<const O extends FieldOptions & { bare?: "ms"; positive?: true }>(
  options: O,
): Field<number, PresentIf<O>> {
  return declare("duration", options, (text) => {
    const value = parseDuration(text, options.bare === "ms" ? 1 : 1000);
    if (value === undefined)
      return { problem: 'is not a duration such as "300ms", "5s" or "1h30m"' };
    if (options.positive && value <= 0) return { problem: "must be longer than zero" };
    return { value };
  });
}

/** A Kubernetes quantity in bytes: `512`, `64k`, `4Mi`. */
export function byteSize<const O extends FieldOptions & { min?: number }>(
  options: O,
): Field<number, PresentIf<O>> {
  const { min } = options;
  const field = declare("byteSize", options, (text) => {
    const value = parseByteSize(text);
    if (value === undefined) return { problem: 'is not a size such as "512", "64k" or "4Mi"' };
    if (min !== undefined && value < min)
      return { problem: `must be at least ${formatByteSize(min)}` };
    return { value };
  });
  return min === undefined ? field : { ...field, bounds: { min } };
}

/** Texts separated by commas, each trimmed, empty ones left out. */
export function list<const O extends FieldOptions>(
  options: O,
): Field<readonly string[], PresentIf<O>> {
  return declare("list", options, (text) => ({
    value: text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  }));
}

/** One of a closed list of texts, in any case. */
export function oneOf<const Allowed extends readonly string[], const O extends FieldOptions>(
  allowed: Allowed,
  options: O,
): Field<Allowed[number], PresentIf<O>> {
  const parse = (text: string): Parsed<Allowed[number]> => {
    const value = allowed.find((one) => one.toLowerCase() === text.trim().toLowerCase());
    return value === undefined ? { problem: `must be one of ${allowed.join(", ")}` } : { value };
  };
  return { ...declare("oneOf", { ...options, allowed }, parse), allowed };
}

/** All names that begin with `prefix`, each with a value as `field` reads it. It can be neither required nor defaulted. */
export function byPrefix<Value>(prefix: string, field: Field<Value, false>): PrefixField<Value> {
  return { ...field, prefix };
}

/** How a field is written: its own name, or `header:NAME` for one that goes by a prefix. */
export function writtenName(name: string, { prefix }: Pick<Field, "prefix">): string {
  return prefix === undefined ? name : `${prefix}NAME`;
}

/** What follows a field's prefix in a name; `undefined`: it is no name of the field. */
export function afterPrefix(name: string, { prefix }: Pick<Field, "prefix">): string | undefined {
  return prefix !== undefined && name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/** What decides, beside its kind, how the text of a field is read. */
export type Reading = {
  readonly min?: number;
  readonly max?: number;
  readonly bare?: "ms";
  readonly positive?: true;
  readonly strict?: true;
  readonly allowed?: readonly string[];
};

/** By the function that reads a field's text, what it was made of. */
const madeOf = new WeakMap<Field["parse"], { kind: FieldKind; options: Reading }>();

/** How the field's text is read; `undefined`: by a function that its binding brings along. */
export function readingOf({ kind, parse }: Pick<Field, "kind" | "parse">): Reading | undefined {
  const made = madeOf.get(parse);
  if (made?.kind !== kind) return undefined;
  const { min, max, bare, positive, strict, allowed } = made.options;
  return {
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(bare !== undefined && { bare }),
    ...(positive !== undefined && { positive }),
    ...(strict !== undefined && { strict }),
    ...(allowed !== undefined && { allowed }),
  };
}

function declare<Value, const O extends FieldOptions & Reading>(
  kind: FieldKind,
  options: O,
  parse: (text: string) => Parsed<Value>,
): Field<Value, PresentIf<O>> {
  madeOf.set(parse, { kind, options });
  return {
    kind,
    description: options.description,
    required: options.required ?? false,
    default: options.default,
    example: options.example,
    sensitive: options.sensitive ?? false,
    direction: options.direction,
    aliases: options.aliases ?? [],
    deprecated: options.deprecated,
    within: options.within,
    allowed: undefined,
    parse,
  };
}

const truthy = new Set(["y", "yes", "true", "t", "on", "1"]);
const falsy = new Set(["n", "no", "false", "f", "off", "0", ""]);

function parseTruthy(text: string): Parsed<boolean> {
  const word = text.trim().toLowerCase();
  if (truthy.has(word)) return { value: true };
  if (falsy.has(word)) return { value: false };
  return { value: false, warning: "is no boolean and is read as false; write true or false" };
}

function parseStrictBool(text: string): Parsed<boolean> {
  const value = parseBoolean(text);
  return value === undefined ? { problem: "must be true or false" } : { value };
}

function parseInteger(text: string): number | undefined {
  if (text === "") return 0;
  const match = /^([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[1-9][0-9_]*|0)$/.exec(text);
  const digits = match?.[2]?.replaceAll("_", "");
  if (digits === undefined) return undefined;
  const value = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (!Number.isSafeInteger(value)) return undefined;
  return match?.[1] === "-" ? -value : value;
}
