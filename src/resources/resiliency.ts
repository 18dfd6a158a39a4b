import type { AnyBinding } from "../binding.ts";
import { formatOrigin } from "../component.ts";
import { closest } from "../metadata/suggest.ts";
import {
  reservedNames,
  type ComponentTarget,
  type PolicyKind,
  type PolicyNames,
  type Resiliency,
  type Rule,
} from "../policy/resiliency.ts";
import type { ComponentDocument } from "./component-document.ts";
import type { Finding } from "./tree.ts";
import type {
  Reference,
  ResiliencyDocument,
  RuleEntry,
  TargetEntry,
  Way,
} from "./resiliency-document.ts";
import { findBinding } from "./visibility.ts";

const nouns: Readonly<Record<PolicyKind, string>> = {
  timeouts: "timeout",
  retries: "retry",
  circuitBreakers: "circuit breaker",
};

/** Components of all scopes, by name: a target may be meant for another app. */
export type KnownComponents = ReadonlyMap<string, Pick<ComponentDocument, "type">>;

/**
 * Makes one of all Resiliency documents, as daprd does, and adds to each document's findings what is wrong
 * between them: names of nothing, names given twice, policies that nothing uses.
 */
export function mergeResiliency(
  documents: readonly ResiliencyDocument[],
  components: KnownComponents,
  bindings: readonly AnyBinding[],
): Resiliency | undefined {
  if (documents.length === 0) return undefined;
  const rules = {
    timeouts: merge(documents, "timeouts", (one) => one.timeouts),
    retries: merge(documents, "retries", (one) => one.retries),
    circuitBreakers: merge(documents, "circuitBreakers", (one) => one.circuitBreakers),
  };
  const broken = new Set(documents.flatMap((one) => [...one.broken]));
  const used = new Set<string>();
  const targets = new Map<string, ComponentTarget>();
  for (const document of documents) {
    const check = (reference: Reference): boolean => {
      used.add(`${reference.kind} ${reference.name}`);
      return checkReference(reference, rules[reference.kind], broken, document.findings);
    };
    for (const reference of document.elsewhere) check(reference);
    for (const target of document.components) {
      checkTarget(target, components, bindings, document.findings);
      const before = targets.get(target.name);
      if (before !== undefined) {
        const message = `component ${JSON.stringify(target.name)} is a target of Resiliency ${before.resource} already; this one counts, keep one`;
        document.findings.push({ severity: "warning", range: target.nameRange, message });
      }
      const names = (way: Way): PolicyNames => ({
        origin: document.source.origin((way.range ?? target.nameRange)[0]),
        ...namesOf(way.references.filter(check)),
      });
      const { inbound, outbound } = target.ways;
      targets.set(target.name, {
        resource: document.name,
        ...{ inbound: names(inbound), outbound: names(outbound) },
      });
    }
  }
  for (const document of documents) reportUnused(document, used);
  return { ...rules, components: targets };
}

function namesOf(references: readonly Reference[]): Omit<PolicyNames, "origin"> {
  const find = (kind: PolicyKind): string | undefined =>
    references.find((one) => one.kind === kind)?.name;
  return {
    timeout: find("timeouts"),
    retry: find("retries"),
    circuitBreaker: find("circuitBreakers"),
  };
}

function merge<Value>(
  documents: readonly ResiliencyDocument[],
  kind: PolicyKind,
  rulesOf: (document: ResiliencyDocument) => readonly RuleEntry<Value>[],
): ReadonlyMap<string, Rule<Value>> {
  const rules = new Map<string, Rule<Value>>();
  for (const document of documents) {
    for (const { rule, nameRange } of rulesOf(document)) {
      const before = rules.get(rule.name);
      if (before !== undefined) {
        const where = formatOrigin(before.origin);
        const message = `${nouns[kind]} ${JSON.stringify(rule.name)} is also defined at ${where}; this one counts for both, rename one`;
        document.findings.push({ severity: "warning", range: nameRange, message });
      }
      rules.set(rule.name, rule);
    }
  }
  return rules;
}

/** Whether the policy is there. One that is there with an error has been reported as that. */
function checkReference(
  { kind, name, range }: Reference,
  rules: ReadonlyMap<string, unknown>,
  broken: ReadonlySet<string>,
  findings: Finding[],
): boolean {
  if (rules.has(name)) return true;
  if (broken.has(`${kind} ${name}`)) return false;
  const message = `no ${nouns[kind]} is called ${JSON.stringify(name)} under spec.policies.${kind}; the component's own policy stays`;
  findings.push({ severity: "error", range, message, suggestion: closest(name, rules.keys()) });
  return false;
}

function checkTarget(
  { name, nameRange, ways }: TargetEntry,
  components: KnownComponents,
  bindings: readonly AnyBinding[],
  findings: Finding[],
): void {
  const component = components.get(name);
  if (component === undefined) {
    const message = `no component is called ${JSON.stringify(name)}`;
    const suggestion = closest(name, components.keys());
    findings.push({ severity: "warning", range: nameRange, message, suggestion });
    return;
  }
  const binding = findBinding(bindings, component.type);
  if (binding === undefined) return;
  const able = { inbound: binding.read !== undefined, outbound: binding.operations !== undefined };
  for (const direction of ["inbound", "outbound"] as const) {
    const { range } = ways[direction];
    if (range === undefined || able[direction]) continue;
    const message = `${direction} has no effect: ${component.type} is no ${direction === "inbound" ? "input" : "output"}`;
    findings.push({ severity: "warning", range, message });
  }
}

function reportUnused(document: ResiliencyDocument, used: ReadonlySet<string>): void {
  for (const kind of ["timeouts", "retries", "circuitBreakers"] as const) {
    const reserved = reservedNames(kind);
    for (const { rule, nameRange } of document[kind]) {
      if (used.has(`${kind} ${rule.name}`) || reserved.includes(rule.name)) continue;
      const message = `${nouns[kind]} ${JSON.stringify(rule.name)} is used by no target, and is no name of a default policy`;
      const suggestion = /^(?:Default|Dapr)/i.test(rule.name)
        ? closest(rule.name, reserved)
        : undefined;
      document.findings.push({ severity: "warning", range: nameRange, message, suggestion });
    }
  }
}
