import type { Fields } from "../metadata/fields.ts";
import { parseFields, type ParseOptions, type Problem } from "../metadata/parse.ts";
import type { ComponentDocument } from "./component-document.ts";
import type { Finding } from "./tree.ts";
import { Missing, type Remote, type ResolvedItem, type Resolver } from "./resolve.ts";

/** A component's properties as far as they can be told now. */
export type Properties = {
  readonly values: Readonly<Record<string, string>>;
  /** The properties whose values came from a secret store or the environment. */
  readonly unquoted: ReadonlySet<string>;
  /** The properties whose values are not there, an empty text in their place, and why. */
  readonly missing: ReadonlyMap<string, Missing>;
};

/**
 * Resolves each property by itself, all at the same time, so that all that is missing is found at once. `only` those, in
 * lower case.
 */
export async function resolveProperties(
  document: ComponentDocument,
  resolver: Resolver,
  { only, remote = "read" }: { only?: readonly string[] | undefined; remote?: Remote } = {},
): Promise<Properties> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  const unquoted = new Set<string>();
  const missing = new Map<string, Missing>();
  const items = document.items.filter(({ name }) => only?.includes(name.toLowerCase()) ?? true);
  const resolving = items.map(async (item): Promise<ResolvedItem | Missing> => {
    try {
      return await resolver.resolve(document, item, remote);
    } catch (thrown) {
      if (!(thrown instanceof Missing)) throw thrown;
      return thrown;
    }
  });
  for (const [index, resolved] of (await Promise.all(resolving)).entries()) {
    const name = items[index]?.name ?? "";
    if (resolved instanceof Missing) missing.set(name, resolved);
    else if (resolved.from !== "file") unquoted.add(name);
    values[name] = resolved instanceof Missing ? "" : resolved.text;
  }
  return { values, unquoted, missing };
}

/** The values as if all that are missing were there: some text or other. */
export function givenAll(
  values: Properties["values"],
  missing: Properties["missing"],
): Readonly<Record<string, string>> {
  return { ...values, ...Object.fromEntries([...missing.keys()].map((name) => [name, "?"])) };
}

/** What the fields have to say about the properties, each at its place in the file. */
export function propertyFindings(
  document: ComponentDocument,
  fields: Fields,
  properties: Properties,
  options: ParseOptions,
): Finding[] {
  const { problems } = parseFields(fields, properties.values, {
    ...options,
    unquoted: properties.unquoted,
  });
  return problems
    .filter((problem) => problem.kind !== "duplicate" && !isUnsaid(problem, properties))
    .map((problem) => locate(document, problem));
}

/** A value that is missing was reported as that, and nothing can be said about its text. */
function isUnsaid({ kind, property }: Problem, { missing }: Properties): boolean {
  return missing.has(property) && (kind === "value" || kind === "missing");
}

function locate(document: ComponentDocument, problem: Problem): Finding {
  const item = document.items.find((one) => one.name === problem.property);
  const atValue =
    problem.kind === "value" || (problem.kind === "missing" && item?.value?.text === "");
  const range = atValue ? (item?.value?.range ?? item?.nameRange) : item?.nameRange;
  return {
    severity: problem.severity,
    range: range ?? document.metadataRange,
    // A message that begins with the quoted value needs a colon between two quoted texts.
    message: `property ${JSON.stringify(shorten(problem.property))}${problem.message.startsWith('"') ? ":" : ""} ${problem.message}`,
    suggestion: problem.suggestion,
  };
}

function shorten(name: string): string {
  return name.length > 80 ? `${name.slice(0, 77)}…` : name;
}
