import { BindingError } from "../../errors.ts";
import { afterPrefix } from "../../metadata/fields.ts";
import type { Field, Fields } from "../../metadata/fields.ts";

/** Turns a request's metadata into an operation's values; throws a `BindingError` at the first wrong one. */
export type RequestParser = (metadata: Readonly<Record<string, string>>) => Record<string, unknown>;

/**
 * Prepares the parsing of one operation's request metadata, since it runs at each call. Names match
 * as they are written, then the aliases in their order; names that no field reads are no mistake, for
 * some bindings pass all of them on. A field for names by prefix has a map of them.
 */
export function requestParser(fields: Fields): RequestParser {
  const entries = Object.entries(fields).map(([name, field]) => {
    const parsed = field.default === undefined ? undefined : field.parse(field.default);
    return {
      name,
      names: [name, ...field.aliases],
      field,
      otherwise: parsed && "value" in parsed ? parsed.value : undefined,
    };
  });
  return (metadata) => {
    const values: Record<string, unknown> = {};
    for (const { name, names, field, otherwise } of entries) {
      if (field.prefix !== undefined) {
        values[name] = mapOf(field, metadata);
        continue;
      }
      let text: string | undefined;
      for (const one of names) if ((text = metadata[one]) !== undefined) break;
      if (text === undefined) {
        if (field.required)
          throw new BindingError("invalid_argument", `the request's metadata has no ${name}`);
        values[name] = otherwise;
        continue;
      }
      values[name] = read(name, field, text);
    }
    return values;
  };
}

function mapOf(
  field: Field,
  metadata: Readonly<Record<string, string>>,
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const name in metadata) {
    const rest = afterPrefix(name, field);
    if (rest === undefined) continue;
    if (rest === "") {
      const text = `the request's metadata ${name} needs a name behind it`;
      throw new BindingError("invalid_argument", text);
    }
    values.set(rest, read(name, field, metadata[name] ?? ""));
  }
  return values;
}

function read(name: string, field: Field, text: string): unknown {
  const parsed = field.parse(text);
  if ("value" in parsed) return parsed.value;
  const quoted = field.sensitive ? "" : ` ${JSON.stringify(text)}`;
  throw new BindingError(
    "invalid_argument",
    `the request's metadata ${name}:${quoted} ${parsed.problem}`,
  );
}
