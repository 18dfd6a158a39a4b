import { closest } from "../metadata/suggest.ts";
import { textOf, type Entry, type Finding, type Tree, type TreeMap } from "./tree.ts";
import { nounOf } from "./mapping.ts";
import type { Range, Source } from "./source.ts";

export const componentVersion = "dapr.io/v1alpha1";

/** Dapr's other resources: they are meant for other parts, or for later. */
export const otherKinds = [
  "Configuration",
  "HTTPEndpoint",
  "MCPServer",
  "Subscription",
  "WorkflowAccessPolicy",
];

/**
 * The document, when it is of a kind that is read. Other kinds of resources are passed over in silence; what
 * looks like a component that was misspelt gets a warning.
 */
export function resourceTree(
  tree: Tree,
  source: Source,
  findings: Finding[],
): { readonly kind: "Component" | "Resiliency"; readonly tree: TreeMap } | undefined {
  if (tree.kind !== "map") {
    const message = `is no resource: it must be a mapping with apiVersion, kind, metadata and spec, not a ${nounOf(tree)}`;
    findings.push({ severity: "error", range: [tree.range[0], tree.range[0] + 1], message });
    return undefined;
  }
  const version = textAt(tree, "apiVersion", source);
  const kind = textAt(tree, "kind", source);
  if (version?.text === componentVersion) {
    if (kind?.text === "Component" || kind?.text === "Resiliency") return { kind: kind.text, tree };
  }
  const warning = explain(tree, version, kind);
  if (warning !== undefined) findings.push({ severity: "warning", ...warning });
  return undefined;
}

type Text = { readonly text: string; readonly range: Range };

function explain(
  tree: TreeMap,
  version: Text | undefined,
  kind: Text | undefined,
): { range: Range; message: string; suggestion?: string | undefined } | undefined {
  const head: Range = tree.entries[0]?.keyRange ?? [tree.range[0], tree.range[0] + 1];
  if (version === undefined && kind === undefined) {
    return {
      range: head,
      message: "is no resource and is ignored: it has neither apiVersion nor kind",
    };
  }
  const ofDapr = version?.text.startsWith("dapr.io/") ?? false;
  const versionNear =
    version !== undefined && closest(version.text, [componentVersion]) !== undefined;
  const isResiliency = kind?.text === "Resiliency";
  const what = isResiliency ? "Resiliency" : "component";
  if (
    isResiliency ||
    kind?.text === "Component" ||
    (kind !== undefined && !ofDapr && versionNear && closest(kind.text, ["Component"]))
  ) {
    if (version === undefined) {
      return {
        range: kind.range,
        message: `this ${what} is ignored: it has no apiVersion; add "apiVersion: ${componentVersion}"`,
      };
    }
    // Others, such as OAM, have components too.
    if (!ofDapr && !versionNear) return undefined;
    const message = `this ${what} is ignored: its apiVersion is ${JSON.stringify(version.text)}`;
    return { range: version.range, message, suggestion: componentVersion };
  }
  if (!ofDapr) return undefined;
  if (kind === undefined)
    return {
      range: version?.range ?? head,
      message: "is ignored: it has no kind, such as Component",
    };
  if (otherKinds.includes(kind.text)) return undefined;
  const message = `kind ${JSON.stringify(kind.text)} is not known and is ignored`;
  return {
    range: kind.range,
    message,
    suggestion: closest(kind.text, ["Component", "Resiliency", ...otherKinds]),
  };
}

function textAt(tree: TreeMap, key: string, source: Source): Text | undefined {
  const entry: Entry | undefined =
    tree.entries.find((one) => one.key === key) ??
    tree.entries.findLast((one) => one.key.toLowerCase() === key.toLowerCase());
  if (entry === undefined || entry.value.kind !== "scalar" || textOf(entry.value) === "")
    return undefined;
  source.mark(entry.keyRange, true);
  source.mark(entry.value.range, true);
  return { text: textOf(entry.value), range: entry.value.range };
}
