import { resolvePlain } from "./scalar.ts";
import type { Range } from "./source.ts";
import type { Entry, Tree } from "./tree.ts";

/** Longer texts, and deeper ones, may have more parts than a resource may have. */
const longest = 50_000;
const deepest = 50;

/** Printable ASCII and line feeds: no tab, no other line break, nothing that an editor does not show. */
const ordinary = /^[\n\x20-\x7e]*$/;
const documentStart = /---(?: +#.*| *)\n/y;
/** Empty lines, and lines of comments alone. */
const passedOver = /(?: *(?:#.*)?(?:\n|$))*/y;
const spaces = / */y;
const lineEnd = /(?: +#.*| *)(?:\n|$)/y;
const key = /([A-Za-z_][\w./-]{0,99}):(?= |\n|$)/y;
const comma = /, */y;
const dash = /- +(?=[^ \n#])/y;
const quoted = /'((?:[^'\n]|'')*)'|"([^"\\\n]*)"/y;
/** Beginning with what is no sign of YAML's, and without the colons and comments that would end it. */
const plain = /(?:[\w/.$+(=]|-(?=\w))(?:[^\n:# ]|:(?=[^ \n])|(?<=[^ ])#| +(?=[^ \n#:]))*/y;
const plainInBrackets =
  /(?:[\w/.$+(=]|-(?=\w))(?:[^\n:# ,[\]{}]|:(?=[^ \n,[\]{}])|(?<=[^ ])#| +(?=[^ \n#:,[\]{}]))*/y;

/**
 * Reads a YAML document as component files are usually written: mappings, lists, brackets and quoted or plain texts on one
 * line. `base` is where the text stands in its file. `undefined`: it has something else in it, a mistake perhaps, and is
 * for the YAML library; where there is a tree, it is the one that the library would give.
 */
export function readPlainYaml(text: string, base: number): Tree | undefined {
  if (text.length > longest || !ordinary.test(text)) return undefined;
  try {
    return new Reader(text, base).read();
  } catch (thrown) {
    if (thrown instanceof NotPlain) return undefined;
    throw thrown;
  }
}

class NotPlain extends Error {}

class Reader {
  readonly #text: string;
  readonly #base: number;
  /** Where the reading is: behind all that was understood. */
  #at = 0;
  /** How far the line that comes next is indented; -1: none comes. */
  #indent = -1;
  /** Behind the last line with something on it. */
  #end = 0;

  constructor(text: string, base: number) {
    this.#text = text;
    this.#base = base;
  }

  read(): Tree {
    this.#take(documentStart);
    this.#take(passedOver);
    this.#indent = this.#must(spaces)[0].length;
    const tree = this.#block(0);
    if (this.#indent !== -1) throw new NotPlain();
    return tree;
  }

  /** What begins with the line that comes next. */
  #block(depth: number): Tree {
    if (depth > deepest) throw new NotPlain();
    return this.#text.startsWith("- ", this.#at) ? this.#list(depth) : this.#map(depth);
  }

  #map(depth: number): Tree {
    const indent = this.#indent;
    const start = this.#at;
    const entries: Entry[] = [];
    const keys = new Set<string>();
    do {
      const named = this.#key(keys);
      entries.push({ ...named, value: this.#inline(depth) ?? this.#below(indent, depth) });
    } while (this.#indent === indent);
    if (this.#indent > indent) throw new NotPlain();
    return { kind: "map", range: this.#range(start, this.#end), entries };
  }

  /** The value of a key that has none on its own line. */
  #below(indent: number, depth: number): Tree {
    const isList = this.#text.startsWith("- ", this.#at);
    if (this.#indent > indent || (this.#indent === indent && isList)) return this.#block(depth + 1);
    throw new NotPlain();
  }

  #list(depth: number): Tree {
    const indent = this.#indent;
    const start = this.#at;
    const items: Tree[] = [];
    do {
      const behind = this.#must(dash)[0].length;
      key.lastIndex = this.#at;
      if (key.test(this.#text)) {
        // A mapping, whose first key stands behind the dash.
        this.#indent = indent + behind;
        items.push(this.#map(depth + 1));
      } else items.push(this.#inline(depth) ?? this.#below(indent, depth));
    } while (this.#indent === indent && this.#text.startsWith("- ", this.#at));
    if (this.#indent > indent) throw new NotPlain();
    return { kind: "list", range: this.#range(start, this.#end), items };
  }

  /** Takes a key and its colon. `keys`: those of the mapping so far. */
  #key(keys: Set<string>): Pick<Entry, "key" | "keyRange"> {
    const start = this.#at;
    const { text } = resolvePlain(this.#must(key)[1] ?? "");
    if (keys.has(text)) throw new NotPlain();
    keys.add(text);
    return { key: text, keyRange: this.#range(start, this.#at - 1) };
  }

  /** The value on this line, and goes to the next line. `undefined`: there is none. */
  #inline(depth: number): Tree | undefined {
    this.#take(spaces);
    if (this.#nextLine()) return undefined;
    const value = this.#value(depth + 1, plain);
    // More of the value, or a mistake, would be further in, as the callers see.
    if (!this.#nextLine()) throw new NotPlain();
    return value;
  }

  #value(depth: number, unquoted: RegExp): Tree {
    if (depth > deepest) throw new NotPlain();
    const start = this.#at;
    const sign = this.#text[start];
    if (sign === "{") {
      const keys = new Set<string>();
      const entries = this.#brackets("}", () => this.#pair(keys, depth));
      return { kind: "map", range: this.#range(start, this.#at), entries };
    }
    if (sign === "[") {
      const items = this.#brackets("]", () => this.#value(depth + 1, plainInBrackets));
      return { kind: "list", range: this.#range(start, this.#at), items };
    }
    const [, single, double] = this.#take(quoted) ?? [];
    const text = single?.replaceAll("''", "'") ?? double;
    const scalar =
      text === undefined
        ? resolvePlain(this.#must(unquoted)[0])
        : ({ type: "string", text } as const);
    return { kind: "scalar", range: this.#range(start, this.#at), scalar };
  }

  #pair(keys: Set<string>, depth: number): Entry {
    const { key: name, keyRange } = this.#key(keys);
    this.#take(spaces);
    return { key: name, keyRange, value: this.#value(depth + 1, plainInBrackets) };
  }

  /** What stands between brackets on one line, with commas between. */
  #brackets<Part>(close: "}" | "]", part: () => Part): Part[] {
    const parts: Part[] = [];
    this.#at++;
    this.#take(spaces);
    while (this.#text[this.#at] !== close) {
      parts.push(part());
      this.#take(spaces);
      if (this.#text[this.#at] === close) break;
      this.#must(comma);
    }
    this.#at++;
    return parts;
  }

  /** Goes on to the next line with something on it. False: something is left on this one. */
  #nextLine(): boolean {
    if (this.#take(lineEnd) === null) return false;
    this.#end = this.#at;
    this.#take(passedOver);
    const indent = this.#take(spaces)?.[0].length ?? 0;
    this.#indent = this.#at === this.#text.length ? -1 : indent;
    return true;
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#text);
    if (match !== null) this.#at = expression.lastIndex;
    return match;
  }

  #must(expression: RegExp): RegExpExecArray {
    const match = this.#take(expression);
    if (match === null) throw new NotPlain();
    return match;
  }

  #range(start: number, end: number): Range {
    return [this.#base + start, this.#base + end];
  }
}
