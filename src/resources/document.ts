import { readPlainYaml } from "./plain-yaml.ts";
import type { Range, Source } from "./source.ts";
import type { ParsedDocument } from "./tree.ts";

/**
 * Parses each document of a file by itself, so that a broken one costs no other. Empty ones are left out. What is written
 * plainly, as nearly all is, needs no YAML library, which is loaded for the rest.
 */
export async function parseDocuments(source: Source): Promise<ParsedDocument[]> {
  const documents: ParsedDocument[] = [];
  for (const range of split(source.text)) {
    const [start, end] = range;
    // A document's end marker, comments and directives alone are no document.
    const text = source.text.slice(start, end).replace(/^\.\.\.(?=\s|$)/, "   ");
    if (text.replaceAll(/^---|#.*$|^%.*$/gm, "").trim() === "") continue;
    const tree = readPlainYaml(text, start);
    if (tree === undefined) documents.push(...(await parseOther(source, range, text)));
    else documents.push({ tree, problems: [] });
  }
  return documents;
}

async function parseOther(source: Source, range: Range, text: string): Promise<ParsedDocument[]> {
  const { parseAnyYaml } = await import("./any-yaml.ts");
  return [parseAnyYaml(source, range, text)].filter((document) => document !== undefined);
}

/** The document of a file in which the offset is, without its markers. */
export function documentAt({ text }: Pick<Source, "text">, offset: number): Range {
  const [start, end] = split(text).find(([, end]) => offset < end) ?? [0, text.length];
  const marker = /^(?:---|\.\.\.)[ \t]*\r?\n/.exec(text.slice(start, end))?.[0] ?? "";
  return [start + marker.length, end];
}

/** At each line that is a `---` or `...` marker. */
function split(text: string): Range[] {
  const starts = [
    0,
    ...[...text.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)].map((match) => match.index),
  ];
  return starts.map((start, index) => [start, starts[index + 1] ?? text.length]);
}
