import { longestTimer, parseDuration } from "../metadata/duration.ts";
import { textOf, type Finding, type Tree, type TreeMap } from "./tree.ts";
import { isNull, Mapping, nounOf } from "./mapping.ts";
import type { Range, Source } from "./source.ts";

/** A component as its document says it. */
export type ComponentDocument = {
  readonly source: Source;
  readonly name: string;
  readonly nameRange: Range;
  readonly namespace: string;
  readonly scopes: readonly string[];
  readonly type: string;
  readonly typeRange: Range;
  readonly version: string;
  /** Milliseconds. */
  readonly initTimeout: number;
  readonly secretStore: { readonly text: string; readonly range: Range } | undefined;
  /** Where a property that is missing would be added. */
  readonly metadataRange: Range;
  readonly items: readonly Item[];
  /** Its errors keep the component from running. */
  readonly findings: Finding[];
};

/** One item of `spec.metadata`. */
export type Item = {
  readonly name: string;
  readonly nameRange: Range;
  /** What `value` says, as text; `undefined`: nothing. */
  readonly value: { readonly text: string; readonly range: Range } | undefined;
  readonly envRef: { readonly text: string; readonly range: Range } | undefined;
  readonly secretKeyRef:
    | { readonly name: string; readonly key: string; readonly range: Range }
    | undefined;
};

/** The keys of `metadata` that Kubernetes knows. */
export const objectMeta = (
  "name namespace labels annotations generateName uid resourceVersion generation creationTimestamp " +
  "deletionTimestamp deletionGracePeriodSeconds finalizers ownerReferences managedFields selfLink"
).split(" ");
/** The keys of `spec`. */
export const specKeys = ["type", "version", "metadata", "ignoreErrors", "initTimeout"];
const specElsewhere = {
  type: "under spec",
  version: "under spec",
  ignoreErrors: "under spec",
  initTimeout: "under spec",
};
const defaultInitTimeout = 5000;

/**
 * Reads a document of kind Component. `undefined`, with the reason among the findings: it has no usable
 * name or type, so that there is nothing that could run or fail.
 */
export function readComponent(
  tree: TreeMap,
  source: Source,
  findings: Finding[],
): ComponentDocument | undefined {
  const root = new Mapping(tree, "", source, findings);
  root.text("apiVersion");
  root.text("kind");
  root.reportUnknown(["apiVersion", "kind", "metadata", "spec", "auth", "scopes"], {
    ...specElsewhere,
    name: "under metadata",
    namespace: "under metadata",
    secretStore: "under auth",
  });
  const name = readName(root, source, findings);
  const spec = root.mapping("spec");
  spec?.reportUnknown(specKeys, {
    auth: "at the top level, beside spec",
    scopes: "at the top level, beside spec",
    secretStore: "under auth, at the top level",
  });
  const type = spec?.text("type");
  if (type === undefined || type.text === "") {
    const range =
      spec?.entry("type")?.keyRange ?? root.entry("spec")?.keyRange ?? headOf(root.range);
    root.report(
      "error",
      range,
      "the component has no spec.type, such as bindings.kafka; it is left out",
    );
  }
  const auth = root.mapping("auth");
  auth?.reportUnknown(["secretStore"]);
  const secretStore = auth?.text("secretStore");
  const scopes = root.list("scopes").flatMap((scope) => readScope(scope, root, source));
  const items = spec === undefined ? [] : readItems(spec, source, findings);
  if (spec !== undefined) readIgnoreErrors(spec, source);
  const initTimeout = spec === undefined ? defaultInitTimeout : readInitTimeout(spec);
  const version = spec?.text("version");
  if (name === undefined || spec === undefined || type === undefined || type.text === "")
    return undefined;
  if (
    type.text.startsWith("bindings.") &&
    !["", "v0", "v1"].includes(version?.text.toLowerCase() ?? "")
  ) {
    spec.report(
      "error",
      version?.range ?? type.range,
      `version ${JSON.stringify(version?.text)} of ${type.text} is not known`,
      "v1",
    );
  }
  return {
    source,
    name: name.text,
    nameRange: name.range,
    namespace: name.namespace,
    scopes,
    type: type.text,
    typeRange: type.range,
    version: version?.text || "v1",
    initTimeout,
    secretStore: secretStore?.text === "" ? undefined : secretStore,
    metadataRange: spec.entry("metadata")?.keyRange ?? root.entry("spec")?.keyRange ?? type.range,
    items,
    findings,
  };
}

function readName(
  root: Mapping,
  source: Source,
  findings: Finding[],
): { text: string; range: Range; namespace: string } | undefined {
  const metadata = root.mapping("metadata");
  metadata?.reportUnknown(objectMeta, {
    ...specElsewhere,
    scopes: "at the top level, beside metadata",
    auth: "at the top level, beside metadata",
  });
  const namespace = metadata?.text("namespace")?.text ?? "";
  const labels = metadata?.entry("labels")?.value;
  if (labels?.kind === "map") {
    for (const { keyRange, value } of labels.entries)
      for (const range of [keyRange, value.range]) source.mark(range, true);
  }
  const name = metadata?.text("name");
  if (name === undefined || name.text === "") {
    const range =
      metadata?.entry("name")?.keyRange ?? root.entry("metadata")?.keyRange ?? headOf(root.range);
    // A metadata of the wrong kind was reported already.
    if (metadata !== undefined || !findings.some((finding) => finding.range === range)) {
      root.report("error", range, "the component has no metadata.name; it is left out");
    }
    return undefined;
  }
  if (name.text === "." || name.text === ".." || /[/%]/.test(name.text)) {
    root.report(
      "error",
      name.range,
      `metadata.name ${JSON.stringify(name.text)} cannot be part of a URL's path (it is "." or "..", or has a "/" or "%"); the component is left out`,
    );
    return undefined;
  }
  return { ...name, namespace };
}

function readScope(scope: Tree, root: Mapping, source: Source): string[] {
  if (scope.kind !== "scalar" || isNull(scope)) {
    root.report(
      "error",
      scope.range,
      `each of the scopes must be an app's id, not a ${nounOf(scope)}`,
    );
    return [];
  }
  source.mark(scope.range, true);
  return [textOf(scope)];
}

function readItems(spec: Mapping, source: Source, findings: Finding[]): Item[] {
  const items: Item[] = [];
  const before = new Map<string, Item>();
  for (const [index, tree] of spec.list("metadata").entries()) {
    if (tree.kind !== "map") {
      const shape = '"- name: …" and "value: …"';
      spec.report(
        "error",
        tree.range,
        `each item of spec.metadata must be ${shape}, not a ${nounOf(tree)}`,
      );
      continue;
    }
    const item = readItem(tree, `spec.metadata[${index}].`, source, findings);
    if (item === undefined) continue;
    const twin = before.get(item.name.toLowerCase());
    if (twin !== undefined) reportTwin(spec, source, twin, item);
    before.set(item.name.toLowerCase(), item);
    // Of a name given twice the last counts, as in daprd.
    const same = items.findIndex((other) => other.name === item.name);
    if (same !== -1) items.splice(same, 1);
    items.push(item);
  }
  return items;
}

function reportTwin(spec: Mapping, source: Source, first: Item, second: Item): void {
  const { line } = source.origin(first.nameRange[0]);
  // An object of an API has no lines.
  const [firstIn, inLine] = line === 0 ? ["", ""] : [`, first in line ${line}`, ` in line ${line}`];
  if (first.name === second.name) {
    const which = line === 0 ? "the last" : "this one";
    const message = `property ${JSON.stringify(second.name)} is given twice${firstIn}; ${which} counts, keep one`;
    spec.report("warning", second.nameRange, message);
  } else {
    const both = `as ${JSON.stringify(first.name)}${inLine} and as ${JSON.stringify(second.name)}`;
    spec.report("error", second.nameRange, `a property is given twice, ${both}; keep one`);
  }
}

function readItem(
  tree: TreeMap,
  path: string,
  source: Source,
  findings: Finding[],
): Item | undefined {
  const item = new Mapping(tree, path, source, findings);
  const unknown = item.reportUnknown(["name", "value", "secretKeyRef", "envRef"], {
    key: "under secretKeyRef",
    secretStore: "under auth, at the top level",
  });
  const valueEntry = item.entry("value");
  if (valueEntry !== undefined) source.mark(valueEntry.value.range, false);
  const name = item.text("name");
  const envRef = item.text("envRef");
  const reference = item.mapping("secretKeyRef");
  reference?.reportUnknown(["name", "key"]);
  const secretName = reference?.text("name");
  const secretKey = reference?.text("key");
  if (reference !== undefined && (secretName?.text ?? "") === "") {
    item.report(
      "error",
      item.entry("secretKeyRef")?.keyRange ?? tree.range,
      "secretKeyRef names no secret; give it a name",
    );
  }
  if (name === undefined || name.text === "") {
    item.report(
      "warning",
      headOf(tree.range),
      "this item of spec.metadata has no name and is ignored",
    );
    return undefined;
  }
  if (
    valueEntry === undefined &&
    envRef === undefined &&
    reference === undefined &&
    unknown === 0
  ) {
    const message = `property ${JSON.stringify(name.text)} has no value, secretKeyRef or envRef, and is empty`;
    item.report("warning", name.range, message);
  }
  const hasSecret = reference !== undefined && secretName !== undefined && secretName.text !== "";
  return {
    name: name.text,
    nameRange: name.range,
    value:
      valueEntry === undefined || isNull(valueEntry.value)
        ? undefined
        : { text: textOf(valueEntry.value), range: valueEntry.value.range },
    envRef: envRef?.text === "" ? undefined : envRef,
    secretKeyRef: hasSecret
      ? { name: secretName.text, key: secretKey?.text || secretName.text, range: secretName.range }
      : undefined,
  };
}

function readIgnoreErrors(spec: Mapping, source: Source): void {
  const value = spec.entry("ignoreErrors")?.value;
  if (value === undefined || isNull(value)) return;
  if (value.kind === "scalar") source.mark(value.range, true);
  if (value.kind !== "scalar" || value.scalar.type !== "boolean") {
    spec.report("error", value.range, "spec.ignoreErrors must be true or false, without quotes");
  }
}

function readInitTimeout(spec: Mapping): number {
  const given = spec.text("initTimeout");
  if (given === undefined || given.text === "") return defaultInitTimeout;
  const bare = /^[+-]?\d+$/.test(given.text);
  const value = parseDuration(given.text, 1);
  if (value === undefined || (bare && value !== 0)) {
    const hint = 'give a number with a unit, such as "30s" or "2m"';
    spec.report(
      "warning",
      given.range,
      `spec.initTimeout ${JSON.stringify(given.text)} is no duration and is read as 5s; ${hint}`,
    );
    return defaultInitTimeout;
  }
  if (value <= 0) {
    spec.report(
      "error",
      given.range,
      "spec.initTimeout must be longer than zero, or the component could never start",
    );
    return defaultInitTimeout;
  }
  return Math.min(value, longestTimer);
}

/** The first character: where a thing begins that spans many lines. */
function headOf([start]: Range): Range {
  return [start, start + 1];
}
