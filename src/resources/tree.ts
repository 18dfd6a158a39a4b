import type { ResourceProblem } from "./problem.ts";
import type { Scalar } from "./scalar.ts";
import type { Range } from "./source.ts";

/** A YAML document's value, aliases followed and `<<` merged, each part with its place in the file. */
export type Tree =
  | { readonly kind: "scalar"; readonly range: Range; readonly scalar: Scalar }
  | { readonly kind: "list"; readonly range: Range; readonly items: readonly Tree[] }
  | { readonly kind: "map"; readonly range: Range; readonly entries: readonly Entry[] };

export type Entry = { readonly key: string; readonly keyRange: Range; readonly value: Tree };

export type TreeMap = Extract<Tree, { kind: "map" }>;

/** One of a file's documents: a tree, or the one problem that kept it from being read. */
export type ParsedDocument =
  | { readonly tree: Tree; readonly problems: readonly Finding[] }
  | { readonly broken: ResourceProblem };

/** A problem before its excerpt can be made. */
export type Finding = {
  readonly severity: ResourceProblem["severity"];
  readonly range: Range;
  readonly message: string;
  readonly suggestion?: string | undefined;
};

/**
 * The value as the text that bindings get: a string as it is, nothing for null, and the JSON text of all
 * else (keys of mappings sorted, as Go writes them).
 */
export function textOf(tree: Tree): string {
  if (tree.kind !== "scalar") return jsonOf(tree);
  return tree.scalar.type === "null" ? "" : tree.scalar.text;
}

function jsonOf(tree: Tree): string {
  if (tree.kind === "list") return `[${tree.items.map(jsonOf).join(",")}]`;
  if (tree.kind === "scalar") {
    return tree.scalar.type === "string" ? JSON.stringify(tree.scalar.text) : tree.scalar.text;
  }
  const entries = tree.entries.toSorted((a, b) =>
    Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
  );
  return `{${entries.map(({ key, value }) => `${JSON.stringify(key)}:${jsonOf(value)}`).join(",")}}`;
}
