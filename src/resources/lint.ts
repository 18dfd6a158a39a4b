import type { AnyBinding } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import type { Fields } from "../metadata/fields.ts";
import { fieldsInAnyCase, parseFields } from "../metadata/parse.ts";
import { closest } from "../metadata/suggest.ts";
import type { ComponentDocument } from "./component-document.ts";
import { closestBindingType } from "./component-type.ts";
import { documentOf } from "./component-spec.ts";
import type { Finding } from "./tree.ts";
import { whyNoPrograms } from "../allow-exec.ts";
import { rangeOfNamed } from "./named-range.ts";
import type { ResourceProblem } from "./problem.ts";
import { propertyFindings, type Properties } from "./property-findings.ts";
import { payloadSchemaProblem } from "./payload-schema.ts";
import { findBinding, revealValues, visibilityBy } from "./visibility.ts";

export type LintOptions = {
  /** Fields that every component has, whatever its binding. */
  readonly frameworkFields: Fields;
  /** The server's `--max-body-size` in bytes. Absent: no size is compared with it. */
  readonly maxBodySize?: number | undefined;
  /** Bindings look themselves for what is wrong, in files too. Default false. */
  readonly isThorough?: boolean;
  /** Whether the runtime will let bindings run programs. Absent: nothing is said of them. */
  readonly allowExec?: boolean | undefined;
  /** Whether the runtime shares its store with other replicas. Absent: nothing is said of what needs that. */
  readonly sharedStore?: boolean | undefined;
  /** Whether a program beside the runtime serves a type that is not known, by its name without `bindings.`. Absent: none does. */
  readonly pluggable?: Pluggability | undefined;
};

/** Where programs that serve types have their sockets. */
export type Pluggability = {
  /** `served`: the socket is there; `awaited`: it may come; `unlikely`: there is not even the folder. */
  serves(name: string): "served" | "awaited" | "unlikely";
  /** The folder. */
  readonly path: string;
};

/**
 * Checks loaded components against their bindings' declarations: unknown types, unknown, missing and
 * unused properties, wrong values. Never rejects. What {@link loadResources} already found is not
 * repeated; components that were made in code are passed over.
 */
export async function lint(
  components: readonly ComponentSpec[],
  bindings: readonly AnyBinding[],
  options: LintOptions,
): Promise<ResourceProblem[]> {
  const problems: ResourceProblem[] = [];
  const visible = visibilityBy(bindings, options.frameworkFields);
  for (const component of components) {
    const loaded = documentOf(component);
    if (loaded === undefined || !component.type.startsWith("bindings.")) continue;
    const { document, properties } = loaded;
    const binding = findBinding(bindings, component.type);
    revealValues(document, visible);
    const findings: Finding[] = [];
    if (binding === undefined)
      findings.push(...unknownType(document, properties, bindings, options));
    else {
      findings.push(...bindingFindings(document, binding, properties, options));
      const schema = schemaFinding(document, properties);
      if (options.isThorough === true && schema !== undefined) findings.push(schema);
      const isWrong = findings.some(({ severity }) => severity === "error");
      if (options.isThorough === true && !isWrong)
        findings.push(...(await ownFindings(document, binding, properties)));
    }
    const exhausted = exhaustedFinding(document, components, bindings);
    if (exhausted !== undefined) findings.push(exhausted);
    findings.sort((a, b) => a.range[0] - b.range[0]);
    for (const { severity, range, message, suggestion } of findings) {
      problems.push(document.source.problem(severity, range, message, suggestion));
    }
  }
  return problems;
}

/** What the binding itself finds where nothing else is wrong. */
async function ownFindings(
  document: ComponentDocument,
  binding: AnyBinding,
  properties: Properties,
): Promise<Finding[]> {
  const { values, missing } = properties;
  if (binding.check === undefined || missing.size > 0) return [];
  const { direction } = readDirection(document, directionsOf(binding), properties);
  const messages = await binding.check(
    parseFields(binding.metadata as Fields, values).values,
    direction,
  );
  return messages.map((message) => ({
    severity: "error",
    range: rangeOfNamed(document, message),
    message,
    suggestion: undefined,
  }));
}

/** A type that a pluggable component may serve: what it makes of its properties is not known. */
function unknownType(
  document: ComponentDocument,
  properties: Properties,
  bindings: readonly AnyBinding[],
  { pluggable, frameworkFields }: LintOptions,
): Finding[] {
  const { type, typeRange } = document;
  const name = type.slice("bindings.".length);
  const serves = pluggable?.serves(name) ?? "unlikely";
  const suggestion = closestBindingType(type, bindings);
  const known = `type ${JSON.stringify(type)} is not known`;
  const where = pluggable && `${pluggable.path}/${name}.sock`;
  const explained = `${known}; a pluggable component would serve it by the socket ${where}`;
  if (serves === "unlikely")
    return [
      { severity: "error", range: typeRange, message: where ? explained : known, suggestion },
    ];
  const able = { input: true, output: true };
  const { direction, findings } = readDirection(document, { able, usual: able }, properties);
  if (serves === "awaited") {
    const message = `${explained}, which is not there`;
    findings.push({ severity: "warning", range: typeRange, message, suggestion });
  }
  return [
    ...findings,
    ...propertyFindings(document, frameworkFields, properties, { direction, unknown: false }),
  ];
}

function bindingFindings(
  document: ComponentDocument,
  binding: AnyBinding,
  properties: Properties,
  { frameworkFields, maxBodySize, allowExec, sharedStore }: LintOptions,
): Finding[] {
  const own = binding.metadata as Fields;
  const shared = sharedFields(own, frameworkFields);
  const { direction, findings } = readDirection(document, directionsOf(binding), properties);
  const forbidden: Finding[] =
    binding.runsPrograms === true && allowExec === false
      ? [{ severity: "error", range: document.typeRange, message: whyNoPrograms(document.type) }]
      : [];
  const relay =
    sharedStore === false && direction.input && relayFinding(document, properties, frameworkFields);
  return [
    ...forbidden,
    ...findings,
    ...(relay ? [relay] : []),
    ...propertyFindings(document, own, properties, {
      ...{ direction, maxBodySize },
      alsoKnown: shared,
    }),
    ...propertyFindings(document, shared, properties, { direction, unknown: false }),
  ];
}

/** By a binding's own fields, those of the framework's that it does not declare itself. */
const shares = new WeakMap<Fields, { of: Fields; shared: Fields }>();

function sharedFields(own: Fields, frameworkFields: Fields): Fields {
  const before = shares.get(own);
  if (before?.of === frameworkFields) return before.shared;
  const { names } = fieldsInAnyCase(own);
  const shared = Object.fromEntries(
    Object.entries(frameworkFields).filter(([name]) => !names.has(name.toLowerCase())),
  );
  shares.set(own, { of: frameworkFields, shared });
  return shared;
}

type Directions = { input: boolean; output: boolean };

/** What the binding can do, and what it does where the metadata does not say. */
function directionsOf(binding: AnyBinding): { able: Directions; usual: Directions } {
  const able = { input: binding.read !== undefined, output: binding.operations !== undefined };
  return { able, usual: { ...able, input: able.input && binding.inputIsOptional !== true } };
}

function readDirection(
  document: ComponentDocument,
  { able, usual }: { able: Directions; usual: Directions },
  { values }: Properties,
): { direction: Directions; findings: Finding[] } {
  const item = document.items.findLast(({ name }) => name.toLowerCase() === "direction");
  const words = (item === undefined ? "" : (values[item.name] ?? ""))
    .split(",")
    .map((word) => word.trim().toLowerCase());
  if (item === undefined || words.every((word) => word === ""))
    return { direction: usual, findings: [] };
  const direction = { input: words.includes("input"), output: words.includes("output") };
  const range = item.value?.range ?? item.nameRange;
  const findings = words.flatMap((word): Finding[] => {
    if (word !== "input" && word !== "output") {
      const message = 'property "direction" must be input, output, or both with a comma between';
      return [
        { severity: "warning", range, message, suggestion: closest(word, ["input", "output"]) },
      ];
    }
    if (able[word]) return [];
    return [
      {
        severity: "warning",
        range,
        message: `property "direction" names ${word}, which ${document.type} cannot do`,
      },
    ];
  });
  return { direction: direction.input || direction.output ? direction : usual, findings };
}

/** `relay` where there is nothing to relay through. */
function relayFinding(
  document: ComponentDocument,
  { values }: Properties,
  { relay }: Fields,
): Finding | undefined {
  const item = document.items.findLast(({ name }) => name.toLowerCase() === "relay");
  if (item === undefined || relay === undefined) return undefined;
  const parsed = parseFields({ relay }, { relay: values[item.name] ?? "" });
  if (parsed.values.relay !== true) return undefined;
  const range = item.value?.range ?? item.nameRange;
  return { severity: "error", range, message: noRelay };
}

const noRelay =
  'property "relay" needs a store that all replicas share: the component does not run; start with --store nats://HOST:PORT, or remove it';

/** A schema that nothing can be generated from. */
function schemaFinding(document: ComponentDocument, { values }: Properties): Finding | undefined {
  const item = document.items.findLast(({ name }) => name.toLowerCase() === "schema");
  const file = item === undefined ? undefined : values[item.name];
  if (item === undefined || !file) return undefined;
  const problem = payloadSchemaProblem(file, document.source.file);
  if (problem === undefined) return undefined;
  const range = item.value?.range ?? item.nameRange;
  return { severity: "error", range, message: `property "schema": ${problem}` };
}

const toOutput = /^\s*output:(.*)$/i;

/** Where exhausted events are to go must be there: they would stay in the way for ever. */
function exhaustedFinding(
  document: ComponentDocument,
  components: readonly ComponentSpec[],
  bindings: readonly AnyBinding[],
): Finding | undefined {
  const item = document.items.findLast(({ name }) => name.toLowerCase() === "onexhausted");
  const name = toOutput.exec(item?.value?.text ?? "")?.[1]?.trim();
  if (item === undefined || name === undefined || name === "") return undefined;
  const takes = ({ type }: ComponentSpec): boolean => {
    const { operations } = findBinding(bindings, type) ?? {};
    return operations !== undefined && Object.hasOwn(operations, "create");
  };
  const severity = "warning";
  const range = item.value?.range ?? item.nameRange;
  const named = components.find((one) => one.name === name);
  if (named === undefined) {
    const message = `property "onExhausted" names an output that is not there: ${JSON.stringify(name)}`;
    const names = components.filter(takes).map((one) => one.name);
    return { severity, range, message, suggestion: closest(name, names) };
  }
  if (takes(named) || findBinding(bindings, named.type) === undefined) return undefined;
  const message = `property "onExhausted" names ${name}, which has no operation create`;
  return { severity, range, message };
}
