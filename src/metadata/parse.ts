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
  /** Names that others read from the same properties; they are known, and not parsed here. */
  alsoKnown?: Iterable<string>;
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
  const used = new Set<string>();
  const fold = options.exactCase ? (name: string) => name : (name: string) => name.toLowerCase();
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

  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (field.prefix !== undefined) {
      const names = Object.keys(properties).filter((one) => afterPrefix(one, field) !== undefined);
      for (const one of names) used.add(fold(one));
      values[name] = mapOf(field, names, properties, options, problems);
      continue;
    }
    const property = [name, ...field.aliases]
      .map((one) => written.get(fold(one)))
      .find((one) => one !== undefined);
    for (const one of [name, ...field.aliases]) used.add(fold(one));
    values[name] = valueOf(name, field, property, properties, options, problems);
  }

  if (options.unknown ?? true) {
    for (const name of options.alsoKnown ?? []) used.add(fold(name));
    const own = Object.entries(fields).filter(([, { prefix }]) => prefix === undefined);
    const known = [...own.map(([name]) => name), ...(options.alsoKnown ?? [])];
    for (const [folded, name] of written) {
      if (used.has(folded)) continue;
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
  const report = (severity: Problem["severity"], kind: Problem["kind"], message: string): void => {
    problems.push({ severity, kind, property: property ?? name, message });
  };
  const text = property === undefined ? undefined : properties[property];
  const wanted = field.direction === undefined || (options.direction?.[field.direction] ?? true);
  if (text === undefined || (field.required && text === "")) {
    if (field.required && wanted) report("error", "missing", "is required");
    if (field.default === undefined) return undefined;
    const parsed = field.parse(field.default);
    return "value" in parsed ? parsed.value : undefined;
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
