import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Alias,
  type Node,
  type YAMLError,
} from "yaml";
import { resolvePlain, type Scalar } from "./scalar.ts";
import type { Range, Source } from "./source.ts";
import type { Entry, Finding, ParsedDocument, Tree } from "./tree.ts";

/** More parts than any resource has; what an alias bomb or a hostile file would make. */
const mostParts = 50_000;
const deepest = 100;

/** Parses the document at the range, whose text it is, whatever is written there. `undefined`: there is no value. */
export function parseAnyYaml(
  source: Source,
  [start, end]: Range,
  text: string,
): ParsedDocument | undefined {
  const broken = (at: Range, message: string): ParsedDocument => {
    source.markUnparsed([start, end]);
    return {
      broken: source.problem(
        "error",
        at,
        `is no valid YAML: ${message}; this document is left out`,
      ),
    };
  };
  try {
    // `failsafe` keeps every scalar's text: Go's rules for them are in scalar.ts.
    const document = parseDocument(text, {
      version: "1.1",
      schema: "failsafe",
      prettyErrors: false,
      uniqueKeys: false,
    });
    const error = document.errors[0];
    if (error !== undefined) {
      const quote = unclosedQuote(error, document.contents);
      if (quote !== undefined)
        return broken([start + quote, start + quote + 1], "this quote is not closed");
      return broken([start + error.pos[0], start + error.pos[1]], explain(error));
    }
    if (document.contents === null) return undefined;
    return new TreeBuilder(start, document.contents).build();
  } catch (thrown) {
    if (thrown instanceof Unreadable) return broken(thrown.range, thrown.message);
    return broken([start, start + 1], "it is nested too deeply");
  }
}

class Unreadable extends Error {
  readonly range: Range;
  constructor(range: Range, message: string) {
    super(message);
    this.range = range;
  }
}

class TreeBuilder {
  readonly #base: number;
  readonly #root: Node;
  readonly #targets = new Map<Alias, Node>();
  readonly #problems: Finding[] = [];
  #parts = 0;

  constructor(base: number, root: Node) {
    this.#base = base;
    this.#root = root;
    const anchors = new Map<string, Node>();
    visit(root, (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) this.#targets.set(node, target);
      } else if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
        anchors.set(node.anchor, node);
      }
    });
  }

  build(): ParsedDocument {
    return { tree: this.#tree(this.#root, 0), problems: this.#problems };
  }

  #range(node: Node): Range {
    const [start, end] = node.range ?? [0, 0];
    return [this.#base + start, this.#base + end];
  }

  #tree(node: unknown, depth: number): Tree {
    if (isAlias(node)) {
      const target = this.#targets.get(node);
      if (target === undefined)
        throw new Unreadable(this.#range(node), "an alias names an anchor that is not above it");
      // Where the alias stands is where a person has to look.
      return { ...this.#tree(target, depth + 1), range: this.#range(node) };
    }
    if (isScalar(node)) return { kind: "scalar", range: this.#range(node), scalar: scalarOf(node) };
    if (!isSeq(node) && !isMap(node))
      return { kind: "scalar", range: [this.#base, this.#base], scalar: resolvePlain("") };
    const range = this.#range(node);
    this.#parts += node.items.length;
    if (this.#parts > mostParts)
      throw new Unreadable(range, `it has more than ${mostParts} parts, aliases followed`);
    if (depth > deepest) throw new Unreadable(range, `it is nested more than ${deepest} deep`);
    if (isSeq(node))
      return { kind: "list", range, items: node.items.map((item) => this.#tree(item, depth + 1)) };
    const own = node.items.map(({ key, value }) => this.#entry(key, value, depth));
    return { kind: "map", range, entries: this.#merge(this.#lastOfEach(own)) };
  }

  #entry(key: unknown, value: unknown, depth: number): Entry & { merge: boolean } {
    const keyTree = this.#tree(key, depth + 1);
    if (keyTree.kind !== "scalar")
      throw new Unreadable(keyTree.range, "a key is a list or a mapping");
    const tree = this.#tree(value, depth + 1);
    // A value left out has no place of its own; it is where the key is.
    const placed = tree.range[0] <= this.#base ? { ...tree, range: keyTree.range } : tree;
    const merge = isScalar(key) && key.type === "PLAIN" && key.source === "<<";
    return { key: keyTree.scalar.text, keyRange: keyTree.range, value: placed, merge };
  }

  /** Of a repeated key the last counts, as in daprd. */
  #lastOfEach<E extends Entry>(entries: readonly E[]): E[] {
    const last = new Map<string, E>();
    for (const entry of entries) {
      const before = last.get(entry.key);
      if (before !== undefined) {
        this.#problems.push({
          severity: "warning",
          range: before.keyRange,
          message: `key ${JSON.stringify(entry.key)} is given twice here, and this one is ignored; keep one`,
        });
        last.delete(entry.key);
      }
      last.set(entry.key, entry);
    }
    return [...last.values()];
  }

  /** Puts in what `<<` names; the mapping's own keys win, and of several mappings the first. */
  #merge(entries: readonly (Entry & { merge: boolean })[]): Entry[] {
    const result = new Map<string, Entry>();
    for (const entry of entries) if (!entry.merge) result.set(entry.key, entry);
    for (const { value, merge } of entries) {
      if (!merge) continue;
      for (const map of value.kind === "list" ? value.items : [value]) {
        if (map.kind !== "map")
          throw new Unreadable(value.range, "<< takes a mapping or a list of mappings");
        for (const entry of map.entries) if (!result.has(entry.key)) result.set(entry.key, entry);
      }
    }
    return [...result.values()];
  }
}

function scalarOf(node: { value: unknown; source?: string; type?: string; tag?: string }): Scalar {
  const text = typeof node.value === "string" ? node.value : (node.source ?? "");
  switch (node.tag) {
    case undefined:
      return node.type === "PLAIN" || node.type === undefined
        ? resolvePlain(text)
        : { type: "string", text };
    case "tag:yaml.org,2002:int":
    case "tag:yaml.org,2002:float":
    case "tag:yaml.org,2002:bool":
    case "tag:yaml.org,2002:null":
      return resolvePlain(text);
    case "tag:yaml.org,2002:binary":
      return { type: "string", text: Buffer.from(text, "base64").toString("utf8") };
    default:
      return { type: "string", text };
  }
}

/** In our words: the parser's own may quote the file, and so a secret. */
const explanations: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "tabs do not indent in YAML; use spaces",
  BAD_INDENT: "the indentation does not fit, or a bracket is not closed",
  MISSING_CHAR: "a closing quote, bracket or comma, or the space after a colon is missing",
  MULTILINE_IMPLICIT_KEY: "a key must be on one line and end in a colon",
  KEY_OVER_1024_CHARS: "a key is longer than 1024 characters",
  BLOCK_AS_IMPLICIT_KEY:
    "a mapping begins where a value stands; check the indentation, or quote a value with a colon in it",
  BLOCK_IN_FLOW: "an indented block stands inside brackets",
  BAD_SCALAR_START: "a value begins with a character that has to be quoted, such as @, ` or %",
  BAD_DQ_ESCAPE:
    "a text in double quotes has a backslash that means nothing; double it, or use single quotes",
  UNEXPECTED_TOKEN: "something stands where nothing may; check indentation, quotes and brackets",
  BAD_DIRECTIVE: "a line that begins with % is no directive",
  MULTIPLE_ANCHORS: "a value has two anchors",
  MULTIPLE_TAGS: "a value has two tags",
  BAD_ALIAS: "an alias or an anchor has no valid name",
  ALIAS_PROPS: "an alias has an anchor or a tag",
  BAD_PROP_ORDER: "an anchor or a tag stands in the wrong place",
  BAD_COLLECTION_TYPE: "a tag does not fit its value",
  MULTIPLE_DOCS: "a second document begins without ---",
  RESOURCE_EXHAUSTION: "it is nested too deeply",
};

function explain(error: YAMLError): string {
  return explanations[error.code] ?? "its structure cannot be understood here";
}

/** Where a quoted text without an end begins: the parser tells only where the document ended. */
function unclosedQuote(error: YAMLError, root: Node | null): number | undefined {
  if (error.code !== "MISSING_CHAR" || !error.message.includes("quote") || root === null)
    return undefined;
  let start: number | undefined;
  visit(root, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith("QUOTE") && range && range[0] < error.pos[0]) start = range[0];
    },
  });
  return start;
}
