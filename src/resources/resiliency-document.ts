import type { CircuitBreakerRule, PolicyKind, RetryRule, Rule } from "../policy/resiliency.ts";
import type { compileTrip } from "../policy/trip.ts";
import { textOf, type Entry, type Finding, type Tree, type TreeMap } from "./tree.ts";
import { isNull, Mapping, nounOf } from "./mapping.ts";
import { readCircuitBreaker, readRetry, readTimeout } from "./resiliency-rules.ts";
import type { Range, Source } from "./source.ts";

/** A Resiliency as its document says it. Policies with errors are left out. */
export type ResiliencyDocument = {
  readonly source: Source;
  readonly name: string;
  readonly namespace: string;
  readonly scopes: readonly string[];
  readonly timeouts: readonly RuleEntry<number>[];
  readonly retries: readonly RuleEntry<RetryRule>[];
  readonly circuitBreakers: readonly RuleEntry<CircuitBreakerRule>[];
  /** Names of policies that are there with an error, so that a target that names one has no second. */
  readonly broken: ReadonlySet<string>;
  readonly components: readonly TargetEntry[];
  /** Policies that targets of other building blocks name: they count as used. */
  readonly elsewhere: readonly Reference[];
  readonly findings: Finding[];
};

export type RuleEntry<Value> = { readonly rule: Rule<Value>; readonly nameRange: Range };

/** What `targets.components.NAME` says. */
export type TargetEntry = {
  readonly name: string;
  readonly nameRange: Range;
  readonly ways: Readonly<Record<"inbound" | "outbound", Way>>;
};

/** One of its two ways; without a range it is not said. */
export type Way = { readonly range: Range | undefined; readonly references: readonly Reference[] };

/** A policy that a target names. */
export type Reference = {
  readonly kind: PolicyKind;
  readonly name: string;
  readonly range: Range;
};

const kinds: readonly (readonly [key: string, kind: PolicyKind])[] = [
  ["timeout", "timeouts"],
  ["retry", "retries"],
  ["circuitBreaker", "circuitBreakers"],
];

/** Reads a document of kind Resiliency. Each mistake is among the findings and spoils no more than its policy. */
export async function readResiliency(
  tree: TreeMap,
  source: Source,
  findings: Finding[],
): Promise<ResiliencyDocument> {
  // Nothing in it is a secret.
  reveal(tree, source);
  const root = new Mapping(tree, "", source, findings);
  root.reportUnknown(["apiVersion", "kind", "metadata", "spec", "scopes", "version"], {
    policies: "under spec",
    targets: "under spec",
  });
  const metadata = root.mapping("metadata");
  const name = metadata?.text("name")?.text ?? "";
  const head: Range = [tree.range[0], tree.range[0] + 1];
  if (name === "") root.report("warning", head, "the Resiliency has no metadata.name; give it one");
  const scopes = root.list("scopes").flatMap((scope) => {
    if (scope.kind === "scalar" && !isNull(scope)) return [textOf(scope)];
    root.report(
      "error",
      scope.range,
      `each of the scopes must be an app's id, not a ${nounOf(scope)}`,
    );
    return [];
  });
  const spec = root.mapping("spec");
  if (spec === undefined)
    root.report("warning", head, "the Resiliency has no spec and does nothing");
  spec?.reportUnknown(["policies", "targets"], {
    ...Object.fromEntries(
      ["timeouts", "retries", "circuitBreakers"].map((key) => [key, "under spec.policies"]),
    ),
    ...Object.fromEntries(
      ["apps", "actors", "components"].map((key) => [key, "under spec.targets"]),
    ),
    scopes: "at the top level, beside spec",
  });
  const policies = spec?.mapping("policies");
  policies?.reportUnknown(["timeouts", "retries", "circuitBreakers"]);
  const resource = name === "" ? "without a name" : name;
  const broken = new Set<string>();
  const rules = <Value>(
    kind: PolicyKind,
    read: (entry: Entry, path: string) => Value | undefined,
  ): RuleEntry<Value>[] => {
    const found: RuleEntry<Value>[] = [];
    for (const entry of policies?.mapping(kind)?.entries ?? []) {
      const value = read(entry, `spec.policies.${kind}.${entry.key}`);
      if (value === undefined) {
        broken.add(`${kind} ${entry.key}`);
        continue;
      }
      const origin = source.origin(entry.keyRange[0]);
      found.push({ rule: { name: entry.key, value, resource, origin }, nameRange: entry.keyRange });
    }
    return found;
  };
  const reader = { source, findings };
  const timeouts = rules("timeouts", (entry, path) => readTimeout(entry, path, reader));
  const retries = rules("retries", (entry, path) => readRetry(entry, path, reader));
  const compile = await tripCompiler(policies);
  const circuitBreakers = rules("circuitBreakers", (entry, path) =>
    readCircuitBreaker(entry, path, reader, compile),
  );
  const targets = spec?.mapping("targets");
  targets?.reportUnknown(["apps", "actors", "components"]);
  return {
    source,
    name: resource,
    namespace: metadata?.text("namespace")?.text ?? "",
    scopes,
    ...{ timeouts, retries, circuitBreakers, broken },
    components: (targets?.mapping("components")?.entries ?? []).flatMap((entry) =>
      readTarget(entry, source, findings),
    ),
    elsewhere: [
      ...readOthers(targets?.mapping("apps"), ["circuitBreakerCacheSize"], source, findings),
      ...readOthers(
        targets?.mapping("actors"),
        ["circuitBreakerScope", "circuitBreakerCacheSize"],
        source,
        findings,
      ),
    ],
    findings,
  };
}

/** The compiler of `trip` expressions, loaded where there is one. */
async function tripCompiler(
  policies: Mapping | undefined,
): Promise<typeof compileTrip | undefined> {
  const breakers = policies?.entry("circuitBreakers")?.value;
  if (breakers?.kind !== "map") return undefined;
  const says = breakers.entries.some(
    ({ value }) =>
      value.kind === "map" && value.entries.some(({ key }) => key.toLowerCase() === "trip"),
  );
  return says ? (await import("../policy/trip.ts")).compileTrip : undefined;
}

function readTarget(
  { key, keyRange, value }: Entry,
  source: Source,
  findings: Finding[],
): TargetEntry[] {
  const path = `spec.targets.components.${key}`;
  if (value.kind !== "map") {
    if (isNull(value)) return [];
    const message = `${path} must be a mapping with inbound and outbound, not a ${nounOf(value)}`;
    findings.push({ severity: "error", range: keyRange, message });
    return [];
  }
  const target = new Mapping(value, `${path}.`, source, findings);
  target.reportUnknown(
    ["inbound", "outbound"],
    Object.fromEntries(kinds.map(([word]) => [word, "under inbound or outbound"])),
  );
  const way = (direction: "inbound" | "outbound"): Way => {
    const names = target.mapping(direction);
    return {
      range: target.entry(direction)?.keyRange,
      references: names === undefined ? [] : readNames(names, []),
    };
  };
  return [
    {
      name: key,
      nameRange: keyRange,
      ways: { inbound: way("inbound"), outbound: way("outbound") },
    },
  ];
}

/** Apps and actors: they are for service invocation and for actors, and only what they name is looked at. */
function readOthers(
  targets: Mapping | undefined,
  more: readonly string[],
  source: Source,
  findings: Finding[],
): Reference[] {
  return (targets?.entries ?? []).flatMap(({ key, value }) =>
    value.kind === "map" ? readNames(new Mapping(value, `${key}.`, source, findings), more) : [],
  );
}

function readNames(names: Mapping, more: readonly string[]): Reference[] {
  names.reportUnknown([...kinds.map(([key]) => key), ...more]);
  return kinds.flatMap(([key, kind]) => {
    const named = names.text(key);
    return named === undefined || named.text === ""
      ? []
      : [{ kind, name: named.text, range: named.range }];
  });
}

function reveal(tree: Tree, source: Source): void {
  if (tree.kind === "scalar") source.mark(tree.range, true);
  if (tree.kind === "list") for (const item of tree.items) reveal(item, source);
  if (tree.kind !== "map") return;
  for (const { keyRange, value } of tree.entries) {
    source.mark(keyRange, true);
    reveal(value, source);
  }
}
