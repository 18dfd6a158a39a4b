// What the index of errors needs of a syntax tree.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "rolldown/parseAst";

export type Node = {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
};

export type SourceFile = {
  /** From the root of the checkout. */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  /** Functions, methods and values that hold functions, by name. */
  readonly functions: ReadonlyMap<string, Node>;
  /** Constants of the module by name. */
  readonly values: ReadonlyMap<string, Node>;
  readonly imported: ReadonlySet<string>;
};

export function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const program = parseAst(text, { lang: "ts" }, path) as unknown as Node;
  const functions = new Map<string, Node>();
  const values = new Map<string, Node>();
  const imported = new Set<string>();
  walk(program, (node) => {
    if (node.type === "FunctionDeclaration") functions.set(nameOf(node["id"]), node);
    if (node.type === "MethodDefinition") functions.set(nameOf(node["key"]), node);
    if (node.type === "ImportSpecifier") imported.add(nameOf(node["local"]));
    if (node.type === "VariableDeclarator" && isNode(node["init"])) {
      const holds = /Function/.test(node["init"].type) ? functions : values;
      holds.set(nameOf(node["id"]), node["init"]);
    }
  });
  return { path, text, program, functions, values, imported };
}

/** Calls `visit` with each node below, and those above it, the nearest last, while it runs. Types are passed over. */
export function walk(
  node: unknown,
  visit: (node: Node, above: readonly Node[]) => void,
  above: Node[] = [],
): void {
  if (Array.isArray(node)) {
    for (const one of node) walk(one, visit, above);
    return;
  }
  if (!isNode(node) || isType(node)) return;
  visit(node, above);
  above.push(node);
  for (const key in node) {
    const value = node[key];
    if (typeof value === "object" && value !== null) walk(value, visit, above);
  }
  above.pop();
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

/** The name of an identifier, a private one, or a member that is called by name; else an empty text. */
export function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "MemberExpression") return nameOf(node["property"]);
  if (node.type === "Identifier" || node.type === "PrivateIdentifier") return String(node["name"]);
  return node.type === "Literal" ? String(node["value"]) : "";
}

function isType({ type }: Node): boolean {
  return type.startsWith("TS") && !/^TS(As|NonNull|Satisfies)/.test(type);
}
