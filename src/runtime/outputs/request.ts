import { BindingError } from "../../errors.ts";
import type { Fields } from "../../metadata/fields.ts";

/** Turns a request's metadata into an operation's values; throws a `BindingError` at the first wrong one. */
export type RequestParser = (metadata: Readonly<Record<string, string>>) => Record<string, unknown>;

/**
 * Prepares the parsing of one operation's request metadata, since it runs at each call. Names match
 * as they are written, then the aliases in their order; names that no field reads are no mistake, for
 * some bindings pass all of them on.
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
      let text: string | undefined;
      for (const one of names) if ((text = metadata[one]) !== undefined) break;
      if (text === undefined) {
        if (field.required)
          throw new BindingError("invalid_argument", `the request's metadata has no ${name}`);
        values[name] = otherwise;
        continue;
      }
      const parsed = field.parse(text);
      if ("problem" in parsed) {
        const quoted = field.sensitive ? "" : ` ${JSON.stringify(text)}`;
        throw new BindingError(
          "invalid_argument",
          `the request's metadata ${name}:${quoted} ${parsed.problem}`,
        );
      }
      values[name] = parsed.value;
    }
    return values;
  };
}
