import {
  isAlias,
  isCollection,
  isMap,
  isSeq,
  parseDocument,
  visit,
  type Document,
  type Node,
} from "yaml";
import { copyOf, isObject, isSame, type Json, type JsonObject } from "./json.ts";
import { jsonPatch, pathOf, type PatchOperation } from "./json-patch.ts";
import type { InjectOptions } from "./sidecar.ts";
import { injectWorkload, type Injection } from "./workload.ts";

/** Scalars as Kubernetes reads them. */
const parsing = { version: "1.1", merge: true, prettyErrors: true, uniqueKeys: true } as const;

export type TextResult = {
  readonly text: string;
  readonly injections: readonly Injection[];
};

/**
 * Puts the sidecar into each object of YAML documents or of JSON. What is not changed is returned as it was, byte by byte;
 * of a document that is changed, comments and order stay.
 *
 * @throws Error where a document cannot be read, with its line.
 */
export function injectText(text: string, options: InjectOptions): TextResult {
  if (text.trimStart().startsWith("{")) {
    const json = parsedJson(text);
    if (json !== undefined) {
      const { object, injections } = injectWorkload(json, options);
      const isChanged = injections.some(({ outcome }) => outcome === "patched");
      return { text: isChanged ? `${JSON.stringify(object, undefined, 2)}\n` : text, injections };
    }
  }
  const injections: Injection[] = [];
  let line = 1;
  const parts = text.split(/^(?=---(?:\s|$))/m).map((part) => {
    const result = injectDocument(part, line, options);
    injections.push(...result.injections);
    line += part.split("\n").length - 1;
    return result.text;
  });
  return { text: parts.join(""), injections };
}

function parsedJson(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function injectDocument(text: string, line: number, options: InjectOptions): TextResult {
  const document = parseDocument(text, parsing);
  const [error] = document.errors;
  if (error !== undefined) {
    const at = line - 1 + (error.linePos?.[0].line ?? 1);
    throw new Error(`line ${at}: ${error.message.split("\n")[0] ?? ""}`);
  }
  const value: unknown = document.toJS({ maxAliasCount: 1000 });
  if (!isObject(value)) return { text, injections: [] };
  const before = copyOf(value);
  const { object, injections } = injectWorkload(before, options);
  if (isSame(before, object)) return { text, injections };
  const isShared = hasAliases(document);
  if (isShared) document.contents = nodeOf(document, object) as typeof document.contents;
  else for (const operation of jsonPatch(before, object)) apply(document, operation);
  const written = document.toString({
    lineWidth: 0,
    directives: text.startsWith("---"),
    indentSeq: !/^( *)[^\s#-][^\n]*:[ ]*\n\1- /m.test(text),
  });
  const note = "it has anchors, so that its comments are lost";
  const noted = injections.map((one) => ({
    ...one,
    ...(isShared && { warnings: [...one.warnings, note] }),
  }));
  return { text: written, injections: noted };
}

/** Texts that Kubernetes' parser takes for something else, and YAML 1.1 does not. */
const otherForGo = /^([-+]?0o[0-7_]+|=)$/i;

function nodeOf(document: Document, value: Json): Node {
  const node = document.createNode(value);
  visit(node, {
    Scalar(_, scalar) {
      if (typeof scalar.value === "string" && otherForGo.test(scalar.value))
        scalar.type = "QUOTE_DOUBLE";
    },
  });
  return node;
}

/** What an anchor names may be in several places, of which one is to be changed. */
function hasAliases(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

function apply(document: Document, operation: PatchOperation): void {
  const path = pathOf(operation.path);
  const last = path.at(-1) ?? "";
  const parent = nodeAt(document, path.slice(0, -1));
  const node = operation.op === "remove" ? undefined : nodeOf(document, operation.value);
  if (isSeq(parent)) {
    if (operation.op === "remove") parent.items.splice(Number(last), 1);
    else parent.items.splice(Number(last), operation.op === "add" ? 0 : 1, node);
  } else if (isMap(parent)) {
    if (operation.op === "remove") parent.delete(last);
    else parent.set(last, node);
  } else throw new Error(`nothing can be changed at ${operation.path}`);
}

function nodeAt(document: Document, path: readonly string[]): unknown {
  let node: unknown = document.contents;
  for (const name of path) {
    if (isSeq(node)) node = node.items[Number(name)];
    else if (isMap(node)) node = node.get(name, true);
    if (isAlias(node) || !isCollection(node)) return undefined;
  }
  return node;
}
