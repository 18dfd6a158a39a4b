import { closest } from "../metadata/suggest.ts";
import { textOf, type Entry, type Finding, type Tree, type TreeMap } from "./tree.ts";
import type { Range, Source } from "./source.ts";

/** Reads one mapping of a resource as Go does: keys in any case, unknown ones ignored, with a word about each. */
export class Mapping {
  readonly range: Range;
  readonly #entries: readonly Entry[];
  readonly #path: string;
  readonly #source: Source;
  readonly #findings: Finding[];

  constructor(tree: TreeMap, path: string, source: Source, findings: Finding[]) {
    this.range = tree.range;
    this.#entries = tree.entries;
    this.#path = path;
    this.#source = source;
    this.#findings = findings;
    for (const entry of tree.entries) source.mark(entry.keyRange, true);
  }

  /** Reports each key that is not among the known. `elsewhere` tells where some of them belong. Returns how many. */
  reportUnknown(
    known: readonly string[],
    elsewhere: Readonly<Record<string, string>> = {},
  ): number {
    // Nearly all are written as they are known.
    if (this.#entries.every(({ key }) => known.includes(key))) return 0;
    const folded = new Set(known.map((key) => key.toLowerCase()));
    const unknown = this.#entries.filter(({ key }) => !folded.has(key.toLowerCase()));
    for (const { key, keyRange } of unknown) {
      const place = Object.entries(elsewhere).find(
        ([name]) => name.toLowerCase() === key.toLowerCase(),
      )?.[1];
      this.report(
        "warning",
        keyRange,
        `${this.#label(key)} is not known and is ignored${place === undefined ? "" : `; it belongs ${place}`}`,
        place === undefined ? closest(key, known) : undefined,
      );
    }
    return unknown.length;
  }

  /** All of them, for a mapping of names that the user chose. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  entry(key: string): Entry | undefined {
    return (
      this.#entries.find((entry) => entry.key === key) ??
      this.#entries.findLast((entry) => entry.key.toLowerCase() === key.toLowerCase())
    );
  }

  /** A text, with its place; its value may be shown. Absent or null: `undefined`. */
  text(key: string): { text: string; range: Range } | undefined {
    const entry = this.entry(key);
    if (entry === undefined || isNull(entry.value)) return undefined;
    if (entry.value.kind !== "scalar") {
      this.report(
        "error",
        entry.keyRange,
        `${this.#label(key)} must be a text, not a ${nounOf(entry.value)}`,
      );
      return undefined;
    }
    this.#source.mark(entry.value.range, true);
    return { text: textOf(entry.value), range: entry.value.range };
  }

  mapping(key: string): Mapping | undefined {
    const entry = this.entry(key);
    if (entry === undefined || isNull(entry.value)) return undefined;
    if (entry.value.kind === "map") {
      return new Mapping(entry.value, this.#path + key + ".", this.#source, this.#findings);
    }
    this.report(
      "error",
      entry.keyRange,
      `${this.#label(key)} must be a mapping, not a ${nounOf(entry.value)}`,
    );
    return undefined;
  }

  list(key: string): readonly Tree[] {
    const entry = this.entry(key);
    if (entry === undefined || isNull(entry.value)) return [];
    if (entry.value.kind === "list") return entry.value.items;
    this.report(
      "error",
      entry.keyRange,
      `${this.#label(key)} must be a list (each item begins with "- "), not a ${nounOf(entry.value)}`,
    );
    return [];
  }

  report(severity: Finding["severity"], range: Range, message: string, suggestion?: string): void {
    this.#findings.push({ severity, range, message, suggestion });
  }

  #label(key: string): string {
    return this.#path + (key.length > 80 ? `${key.slice(0, 77)}…` : key);
  }
}

export function isNull(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.scalar.type === "null";
}

/** What a tree is, in a word for a message. */
export function nounOf(tree: Tree): string {
  if (tree.kind === "map") return "mapping";
  if (tree.kind === "list") return "list";
  const { type } = tree.scalar;
  return type === "string" ? "text" : type === "boolean" ? "true or false" : type;
}
