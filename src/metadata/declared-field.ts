import * as fields from "./fields.ts";
import type { Field, FieldKind, FieldOptions, Reading } from "./fields.ts";

/** What of a field can be written down: all that decides whether a component's metadata is right. */
export type FieldDeclaration = Omit<FieldOptions, "description" | "example"> &
  Reading & {
    readonly kind: FieldKind;
    readonly prefix?: string;
    /** Its binding's code is needed to read it. */
    readonly byCode?: true;
  };

export function declarationOf(field: Field): FieldDeclaration {
  const { kind, required, sensitive, direction, aliases, deprecated, within, prefix } = field;
  const reading = fields.readingOf(field);
  return {
    kind,
    ...(required && { required }),
    ...(field.default !== undefined && { default: field.default }),
    ...(sensitive && { sensitive }),
    ...(direction !== undefined && { direction }),
    ...(aliases.length > 0 && { aliases }),
    ...(deprecated !== undefined && { deprecated }),
    ...(within !== undefined && { within }),
    ...(prefix !== undefined && { prefix }),
    ...(reading ?? { byCode: true }),
  };
}

/** The field as it was declared, without what is for people to read. One that is read by code must not be read by this one. */
export function declaredField({ kind, prefix, byCode, ...declared }: FieldDeclaration): Field {
  const options = { description: "", ...declared };
  const field = byCode ? { ...fields.string(options), kind } : makers[kind](options);
  return prefix === undefined ? field : { ...field, prefix };
}

type Options = FieldOptions & Reading;

const makers: Readonly<Record<FieldKind, (options: Options) => Field>> = {
  string: (options) => fields.string(options),
  bool: (options) => fields.bool(options),
  integer: (options) => fields.integer(options),
  number: (options) => fields.number(options),
  duration: (options) => fields.duration(options),
  byteSize: (options) => fields.byteSize(options),
  list: (options) => fields.list(options),
  oneOf: ({ allowed = [], ...options }) => fields.oneOf(allowed, options),
};
