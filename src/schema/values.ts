import type { Json } from "../metadata/describe.ts";
import { formatByteSize } from "../metadata/byte-size.ts";
import type { Field, FieldKind } from "../metadata/fields.ts";

/** A JSON Schema, or a part of one. */
export type Schema = { readonly [key: string]: Json };

/** Templates are put in before a value is read, so that no pattern can tell of a text that has one. */
const template = "\\{(?:uuid|podName|namespace|appID)\\}";

const amount = "(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)";
const patterns = {
  // Go's way of writing them, and nothing for zero.
  integer: "(?:[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[1-9][0-9_]*|0))?",
  number: `(?:[+-]?${amount}(?:[eE][+-]?[0-9]+)?)?`,
  duration: `(?:[+-]?(?:[0-9]+|(?:${amount}(?:ns|us|µs|μs|ms|s|m|h))+))?`,
  byteSize: `\\s*[+-]?${amount}(?:[eE][+-]?[0-9]{1,3}|[kMGTPE]|[KMGTPE]i)?\\s*`,
  bool: `\\s*(?:${"y yes true t on 1 n no false f off 0".split(" ").map(inAnyCase).join("|")})?\\s*`,
} as const;

const needs = {
  integer: "This must be an integer.",
  number: "This must be a number.",
  duration: 'This must be a duration, such as "300ms", "5s" or "1h30m".',
  byteSize: 'This must be a size, such as "512", "64k" or "4Mi".',
  bool: "This must be true or false.",
} as const;

const types = {
  integer: ["integer", "string", "null"],
  number: ["number", "string", "null"],
  duration: ["string", "integer", "null"],
  byteSize: ["string", "number", "null"],
  bool: ["boolean", "string", "integer", "null"],
} as const;

/** What `value` of a field may be. A text has no limits: YAML's other values become their JSON. */
export function valueSchema(field: Field): Schema {
  return {
    ...typeOf(field),
    description: descriptionOf(field),
    ...(field.default === undefined || field.default === "" ? {} : { default: field.default }),
    ...(field.example === undefined ? {} : { examples: [field.example] }),
  };
}

function typeOf(field: Field): Schema {
  const { kind, allowed, bounds = {} } = field;
  if (kind === "string" || kind === "list") return {};
  if (kind === "oneOf") {
    const errorMessage = `This must be one of ${(allowed ?? []).join(", ")}.`;
    const others = [...(allowed ?? []).map(inAnyCase), ...("value" in field.parse("") ? [""] : [])];
    const inOtherCase = `^\\s*(?:${others.join("|")})\\s*$|${template}`;
    return {
      // Completion offers the first; any case is taken.
      anyOf: [
        { enum: allowed ?? [], errorMessage },
        { type: "string", pattern: inOtherCase, patternErrorMessage: errorMessage },
      ],
    };
  }
  const errorMessage =
    bounds.min === undefined && bounds.max === undefined
      ? needs[kind]
      : `This must be ${boundsText(kind, bounds)}.`;
  return {
    type: types[kind],
    pattern: `^(?:${patterns[kind]})$|${template}`,
    patternErrorMessage: errorMessage,
    errorMessage,
    ...(bounds.min === undefined ? {} : { minimum: bounds.min }),
    ...(bounds.max === undefined ? {} : { maximum: bounds.max }),
  };
}

function boundsText(kind: FieldKind, { min, max }: NonNullable<Field["bounds"]>): string {
  if (kind === "byteSize") return `a size such as "4Mi", of at least ${formatByteSize(min ?? 0)}`;
  if (min === undefined) return `an integer of at most ${max}`;
  return max === undefined ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
}

/** The description with what a reader of the file needs to know beside it. */
export function descriptionOf(field: Field): string {
  const { description, required, direction, sensitive, deprecated, aliases } = field;
  return [
    description,
    ...(required ? ["Required."] : []),
    ...(direction === undefined ? [] : [`Only for ${direction}.`]),
    ...(field.default === undefined || field.default === "" ? [] : [`Default: ${field.default}.`]),
    ...(aliases.length === 0 ? [] : [`Also called ${aliases.join(", ")}.`]),
    ...(sensitive ? ["Secret: better a secretKeyRef than a value."] : []),
    ...(deprecated === undefined ? [] : [`Deprecated: ${deprecated}.`]),
  ].join(" ");
}

/** A pattern for a text in any case, as JSON Schema's patterns have no flag for it. */
export function inAnyCase(text: string): string {
  return text
    .split("")
    .map((letter) => {
      const [lower, upper] = [letter.toLowerCase(), letter.toUpperCase()];
      if (lower !== upper) return `[${lower}${upper}]`;
      return letter.replace(/[^\w\s:@%&=,;'"<>~`#!-]/, "\\$&");
    })
    .join("");
}

/** What holds where a condition does. An object with the key `then`, written out, would look like a promise. */
export function when(condition: Schema, then: Schema, otherwise?: Schema): Schema {
  return Object.fromEntries([
    ["if", condition],
    // oxlint-disable-next-line unicorn/no-thenable -- it is never awaited
    ["then", then],
    ...(otherwise === undefined ? [] : [["else", otherwise] as const]),
  ]);
}

/** All of the schemas, of which there may be none. */
export function all(schemas: readonly Schema[]): Schema {
  return schemas.length === 0 ? {} : { allOf: schemas };
}
