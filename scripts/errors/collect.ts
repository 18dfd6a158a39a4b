// The texts of errors, findings and warnings that a user can meet, from the sources: what is given to an error's constructor
// or to a function that makes an error, what is logged as a warning or an error, and what `check` finds.
import { globSync } from "node:fs";
import { isNode, nameOf, readSource, walk, type Node, type SourceFile } from "./syntax.ts";

export type ErrorText = {
  /** With `…` for each value that is put in. */
  readonly text: string;
  /** The reason of a BindingError, which is the gRPC code, where the source names it; `log` for what is logged. */
  readonly reason: string | undefined;
  /** From the root of the checkout. */
  readonly file: string;
  readonly line: number;
};

const reasons = new Set(
  "invalid_argument unauthenticated permission_denied not_found already_exists failed_precondition out_of_range resource_exhausted aborted cancelled deadline_exceeded unavailable unimplemented data_loss internal".split(
    " ",
  ),
);
/** Methods that are given what a person is told. */
const sinks = new Set(
  "warn error fatal warnOnce report refuse reject fail wrong problem finding mistake condition lost".split(
    " ",
  ),
);
/** Where every sentence is a finding of `check` or of a reload. */
const findingFolders = /^src\/(resources|policy|schedule)\//;
const findingFunctions = /^(check|problems?|findings?|mistakes?|complaints?)/i;
const findingKeys = new Set(["message", "problem", "reason"]);
/** What connections are called at a server. */
const isName = /^(cufflink( …)+|… input)$/;
/** Keys and calls whose texts describe, and are no errors. */
const describing = new Set(
  "description summary example help default option argument addHelpText prepare exec info debug split".split(
    " ",
  ),
);

/** All texts below `src/`, by file and line. */
export function collectErrors(root: string): ErrorText[] {
  const files = globSync("src/**/*.ts", { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => readSource(root, path));
  const classes = errorClasses(files);
  const makers = new Map<string, string | undefined>();
  const byName = new Map<string, { file: SourceFile; node: Node }>();
  for (const file of files) {
    for (const [name, node] of file.functions) {
      byName.set(name, { file, node });
      const made = errorMadeIn(node, classes);
      if (made !== undefined) makers.set(`${file.path} ${name}`, made.reason);
      if (made !== undefined) makers.set(name, made.reason);
      else if (tells(node)) makers.set(`${file.path} ${name}`, undefined);
    }
  }
  return files.flatMap((file) => collectFrom(file, { classes, makers, byName }));
}

type World = {
  readonly classes: ReadonlySet<string>;
  /** By the name of a function, alone and behind its file's path, the reason of the error that it makes. */
  readonly makers: ReadonlyMap<string, string | undefined>;
  readonly byName: ReadonlyMap<string, { readonly file: SourceFile; readonly node: Node }>;
};

function collectFrom(file: SourceFile, world: World): ErrorText[] {
  const found = new Map<string, ErrorText>();
  const add = (node: Node, reason: string | undefined): void => {
    for (const text of textsOf(node, file, world)) {
      if (!/\p{L}{2,}[^…]* /u.test(text) && !/ \p{L}{2,}/u.test(text)) continue;
      if (/^(SELECT|CREATE|INSERT) /.test(text) || isName.test(text)) continue;
      const line = file.text.slice(0, node.start).split("\n").length;
      const key = `${text} ${reason}`;
      if (!found.has(key)) found.set(key, { text, reason, file: file.path, line });
    }
  };
  walk(file.program, (node, above) => {
    if (above.some(describes)) return;
    if (node.type === "NewExpression" && world.classes.has(nameOf(node["callee"]))) {
      const [first, ...rest] = argumentsOf(node);
      const reason = reasonIn(first);
      for (const one of first === undefined ? [] : [first, ...rest]) add(one, reason);
    }
    if (node.type === "CallExpression") {
      const { name, isMaker, reason } = makerCalled(node, file, world);
      const isLog = sinks.has(name) && /logger/i.test(sourceOf(file, node["callee"]));
      const isSink =
        sinks.has(name) && isNode(node["callee"]) && node["callee"].type !== "Identifier";
      const own = argumentsOf(node)
        .map(reasonIn)
        .find((one) => one !== undefined);
      if (isMaker || isSink)
        for (const one of argumentsOf(node)) add(one, isLog ? "log" : (own ?? reason));
    }
    if (node.type === "Property" && findingKeys.has(nameOf(node["key"])) && isNode(node["value"]))
      add(node["value"], undefined);
    const isSentence = node.type === "Literal" || node.type === "TemplateLiteral";
    if (isSentence && isFinding(file, above)) {
      const inside = above.some(({ type }) => type === "TemplateLiteral");
      for (const text of inside ? [] : textsOf(node, file, world))
        if (/\S+ \S+ \S+/.test(text)) add(node, undefined);
    }
  });
  return [...found.values()];
}

/** What a node says, with `…` for what is known only when it runs. One text for each way that it can turn out. */
function textsOf(node: Node, file: SourceFile, world: World, depth = 0): string[] {
  const below = (one: unknown): string[] => (isNode(one) ? textsOf(one, file, world, depth) : []);
  switch (node.type) {
    case "Literal":
      return typeof node["value"] === "string" && !reasons.has(node["value"])
        ? [node["value"]]
        : [];
    case "TemplateLiteral": {
      const parts = node["quasis"] as { value: { cooked: string } }[];
      return [parts.map(({ value }) => value.cooked).join("…")];
    }
    case "BinaryExpression": {
      const [left, right] = [below(node["left"]), below(node["right"])];
      if (left.length + right.length === 0) return [];
      return orElse(left).flatMap((one) => orElse(right).map((other) => one + other));
    }
    case "ConditionalExpression":
      return [...below(node["consequent"]), ...below(node["alternate"])];
    case "LogicalExpression":
      return [...below(node["left"]), ...below(node["right"])];
    case "ArrayExpression":
      return (node["elements"] as unknown[]).flatMap(below);
    case "Identifier": {
      const value = file.values.get(nameOf(node));
      return value === undefined || depth > 1 ? [] : textsOf(value, file, world, depth + 1);
    }
    case "CallExpression": {
      const name = nameOf(node["callee"]);
      const isIdentifier = isNode(node["callee"]) && node["callee"].type === "Identifier";
      const known = isIdentifier ? functionNamed(name, file, world) : undefined;
      if (known === undefined || depth > 1) return [];
      return returnsOf(known.node).flatMap((one) => textsOf(one, known.file, world, depth + 1));
    }
    default:
      return [];
  }
}

function orElse(texts: string[]): string[] {
  return texts.length === 0 ? ["…"] : texts;
}

function functionNamed(name: string, file: SourceFile, world: World) {
  const own = file.functions.get(name);
  if (own !== undefined) return { file, node: own };
  return file.imported.has(name) ? world.byName.get(name) : undefined;
}

function returnsOf(node: Node): Node[] {
  const found: Node[] = [];
  if (isNode(node["body"]) && !node["body"].type.endsWith("Statement")) found.push(node["body"]);
  walk(node, (one) => {
    if (one.type === "ReturnStatement" && isNode(one["argument"])) found.push(one["argument"]);
  });
  return found;
}

/** Classes that extend Error, by name, with JavaScript's own. */
function errorClasses(files: readonly SourceFile[]): ReadonlySet<string> {
  const classes = new Set(["Error", "TypeError", "RangeError", "SyntaxError", "ConnectError"]);
  const extending: [string, string][] = [];
  for (const { program } of files) {
    walk(program, (node) => {
      if (node.type === "ClassDeclaration")
        extending.push([nameOf(node["id"]), nameOf(node["superClass"])]);
    });
  }
  for (let before = -1; before !== classes.size;) {
    before = classes.size;
    for (const [name, above] of extending) if (classes.has(above)) classes.add(name);
  }
  return classes;
}

function errorMadeIn(
  node: Node,
  classes: ReadonlySet<string>,
): { reason: string | undefined } | undefined {
  let made: { reason: string | undefined } | undefined;
  walk(node, (one) => {
    if (one.type !== "NewExpression" || !classes.has(nameOf(one["callee"]))) return;
    made ??= { reason: reasonIn(argumentsOf(one)[0]) };
  });
  return made;
}

/** Whether a function is given the words for a person, by the name of its parameter. */
function tells(node: Node): boolean {
  const inner = isNode(node["value"]) ? node["value"] : node;
  const parameters = (inner["params"] ?? []) as unknown[];
  return parameters.some((one) => /^(message|problem|reason|why|complaint)$/.test(nameOf(one)));
}

function makerCalled(node: Node, file: SourceFile, world: World) {
  const name = nameOf(node["callee"]);
  const isOwn = file.functions.has(name);
  const key = isOwn ? `${file.path} ${name}` : name;
  const isMaker = (isOwn || file.imported.has(name)) && world.makers.has(key);
  return { name, isMaker, reason: isMaker ? world.makers.get(key) : undefined };
}

function argumentsOf(node: Node): Node[] {
  return ((node["arguments"] ?? []) as unknown[]).filter(isNode);
}

function reasonIn(node: Node | undefined): string | undefined {
  const value = node?.type === "Literal" ? node["value"] : undefined;
  return typeof value === "string" && reasons.has(value) ? value : undefined;
}

function isFinding({ path }: SourceFile, above: readonly Node[]): boolean {
  if (findingFolders.test(path)) return true;
  return above.some(
    ({ type, key, id }) =>
      (type === "FunctionDeclaration" && findingFunctions.test(nameOf(id))) ||
      ((type === "Property" || type === "MethodDefinition") && nameOf(key) === "check"),
  );
}

function describes(node: Node): boolean {
  if (node.type === "Property") return describing.has(nameOf(node["key"]));
  return node.type === "CallExpression" && describing.has(nameOf(node["callee"]));
}

function sourceOf({ text }: SourceFile, node: unknown): string {
  return isNode(node) ? text.slice(node.start, node.end) : "";
}
