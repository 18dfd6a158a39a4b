import { formatByteSize } from "./byte-size.ts";
import { afterPrefix } from "./fields.ts";
import type { Field, Fields, Values } from "./fields.ts";
import { closest } from "./suggest.ts";

/** Something about one property that a person should know. */
export type Problem = {
  /** `error`: the component cannot run with it; `warning`: it runs, but surely not as meant. */
  severity: "error" | "warning";
  /** What it is about: a name that no field has, a field that is not there, or what a property says. */
  kind: "unknown" | "missing" | "duplicate" | "value" | "unused" | "deprecated";
  /** The property as it was written; for a missing one, the field's name. */
  property: string;
  /** What is wrong, without the value where the field is sensitive. */
  message: string;
  /** What was probably meant. */
  suggestion?: string;
};

export type ParseResult<F extends Fields> = {
  /** Complete when no problem is an error. */
  values: Values<F>;
  problems: Problem[];
};

export type ParseOptions = {
  /** Fields that others read from the same properties; their names are known, and not parsed here. */
  alsoKnown?: Fields;
  /** The direction in use; a required field of the other one may be missing. */
  direction?: { input: boolean; output: boolean };
  /** Report a property that no field reads. Default true; off for per-call metadata. */
  unknown?: boolean;
  /** Match names as they are written only. Default false; on for per-call metadata. */
  exactCase?: boolean;
  /** Properties, as written, whose text is never quoted, whatever their field: it came from a secret store. */
  unquoted?: ReadonlySet<string>;
  /** The most bytes that a request or a gRPC answer of the server has. Absent: nothing is compared with it. */
  maxBodySize?: number | undefined;
};

/**
 * Turns text properties into typed values with Dapr's rules: names match in any case, an alias counts
 * only while the field's own name is absent, and a property given twice is refused. Every problem is
 * reported, never only the first; the text of a sensitive field is never quoted.
 */
export function parseFields<F extends Fields>(
  fields: F,
  properties: Readonly<Record<string, string>>,
  options: ParseOptions = {},
): ParseResult<F> {
  const problems: Problem[] = [];
  const fold = options.exactCase ? asWritten : inAnyCase;
  const { all, names } = indexOf(fields, fold);
  const written = new Map<string, string>();
  for (const name of Object.keys(properties)) {
    const before = written.get(fold(name));
    if (before === undefined) written.set(fold(name), name);
    else
      problems.push({
        severity: "error",
        kind: "duplicate",
        property: name,
        message: `is given twice, as ${before} and as ${name}; keep one`,
      });
  }

  const byPrefix = new Set<string>();
  const values: Record<string, unknown> = {};
  for (const { name, field, keys } of all) {
    if (field.prefix !== undefined) {
      const given = Object.keys(properties).filter((one) => afterPrefix(one, field) !== undefined);
      for (const one of given) byPrefix.add(fold(one));
      values[name] = mapOf(field, given, properties, options, problems);
      continue;
    }
    let property: string | undefined;
    for (const key of keys) if ((property = written.get(key)) !== undefined) break;
    values[name] = valueOf(name, field, property, properties, options, problems);
  }

  if (options.unknown ?? true) {
    const others = options.alsoKnown && indexOf(options.alsoKnown, fold).names;
    for (const [folded, name] of written) {
      if (names.has(folded) || byPrefix.has(folded) || others?.has(folded)) continue;
      const own = Object.entries(fields).filter(([, { prefix }]) => prefix === undefined);
      const known = [...own.map(([one]) => one), ...Object.keys(options.alsoKnown ?? {})];
      const suggestion = withPrefix(name, fields) ?? closest(name, known);
      problems.push({
        severity: "warning",
        kind: "unknown",
        property: name,
        message: "is not known and is ignored",
        ...(suggestion === undefined ? {} : { suggestion }),
      });
    }
  }
  return { values: values as Values<F>, problems };
}

/** Fields by the names that they are looked for by. */
export type FieldIndex = {
  /** In their order; `keys`: the field's name and its aliases. */
  readonly all: readonly {
    readonly name: string;
    readonly field: Field;
    readonly keys: readonly string[];
  }[];
  /** The field of each key; those that go by a prefix are not among them. */
  readonly names: ReadonlyMap<string, Field>;
};

const asWritten = (name: string): string => name;
const inAnyCase = (name: string): string => name.toLowerCase();

/** Of names in any case. Fields are declared once, and each component is read by them more than once. */
const indexes = new WeakMap<Fields, FieldIndex>();

/** The fields by their names and aliases in lower case. */
export function fieldsInAnyCase(fields: Fields): FieldIndex {
  return indexOf(fields, inAnyCase);
}

function indexOf(fields: Fields, fold: (name: string) => string): FieldIndex {
  const before = fold === inAnyCase ? indexes.get(fields) : undefined;
  if (before !== undefined) return before;
  const names = new Map<string, Field>();
  const all = Object.entries(fields).map(([name, field]) => {
    const keys = [name, ...field.aliases].map(fold);
    if (field.prefix === undefined)
      for (const key of keys) if (!names.has(key)) names.set(key, field);
    return { name, field, keys };
  });
  const index = { all, names };
  if (fold === inAnyCase) indexes.set(fields, index);
  return index;
}

/** The name with a field's prefix as it must be written, where only its letters' case or what is behind it is another. */
function withPrefix(name: string, fields: Fields): string | undefined {
  for (const { prefix } of Object.values(fields)) {
    if (prefix === undefined) continue;
    if (name.toLowerCase().startsWith(prefix.toLowerCase()))
      return prefix + name.slice(prefix.length);
    // `header` and `headers` mean `header:NAME`, as docs write it.
    if (/^(.+?)s?$/i.exec(name)?.[1]?.toLowerCase() === prefix.toLowerCase().replace(/\W+$/, ""))
      return `${prefix}NAME`;
  }
  return undefined;
}

/** The values of all names that begin with the field's prefix, by what follows it. */
function mapOf(
  field: Field,
  names: readonly string[],
  properties: Readonly<Record<string, string>>,
  options: ParseOptions,
  problems: Problem[],
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const property of names) {
    const name = afterPrefix(property, field) ?? "";
    if (name === "") {
      const message = `needs a name behind "${property}"`;
      problems.push({ severity: "error", kind: "value", property, message });
      continue;
    }
    values.set(name, valueOf(property, field, property, properties, options, problems));
  }
  return values;
}

function valueOf(
  name: string,
  field: Field,
  property: string | undefined,
  properties: Readonly<Record<string, string>>,
  options: ParseOptions,
  problems: Problem[],
): unknown {
  const text = property === undefined ? undefined : properties[property];
  if (text === undefined && !field.required) return defaultOf(field);
  const report = (severity: Problem["severity"], kind: Problem["kind"], message: string): void => {
    problems.push({ severity, kind, property: property ?? name, message });
  };
  const wanted = field.direction === undefined || (options.direction?.[field.direction] ?? true);
  if (text === undefined || (field.required && text === "")) {
    if (field.required && wanted) report("error", "missing", "is required");
    return defaultOf(field);
  }
  if (field.deprecated !== undefined) {
    report("warning", "deprecated", `is deprecated: ${field.deprecated}`);
  }
  if (!wanted) {
    const unused = `is used by the ${field.direction} direction only, which this component leaves out`;
    report("warning", "unused", unused);
  }
  const hidden =
    field.sensitive || (property !== undefined && (options.unquoted?.has(property) ?? false));
  const about = (message: string): string => (hidden ? message : `${quote(text)} ${message}`);
  const parsed = field.parse(text);
  if ("problem" in parsed) {
    report("error", "value", about(parsed.problem));
    return undefined;
  }
  if (parsed.warning !== undefined) report("warning", "value", about(parsed.warning));
  const { maxBodySize = Infinity } = options;
  if (field.within !== undefined && typeof parsed.value === "number" && parsed.value > maxBodySize)
    report("warning", "value", about(beyondServer[field.within](formatByteSize(maxBodySize))));
  return parsed.value;
}

/** Those that are no objects, which components could not share. */
const defaults = new WeakMap<Field, unknown>();

function defaultOf(field: Field): unknown {
  if (field.default === undefined) return undefined;
  if (defaults.has(field)) return defaults.get(field);
  const parsed = field.parse(field.default);
  const value = "value" in parsed ? parsed.value : undefined;
  if (typeof value !== "object") defaults.set(field, value);
  return value;
}

/** What is wrong with a size beyond the server's own limit. */
const beyondServer = {
  request: (limit: string) =>
    `is more than an app can send: the server takes requests of at most ${limit} (--max-body-size)`,
  answer: (limit: string) =>
    `is more than a gRPC call can answer: the server sends at most ${limit} (--max-body-size)`,
} as const;

/** The text for a message, cut where it is long. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text);
}
