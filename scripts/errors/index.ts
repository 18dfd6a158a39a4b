// The index of errors: docs/errors/*.md, made of the entries in ./entries, which say what a text means and what to do, and of
// the texts in the sources.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { collectErrors, type ErrorText } from "./collect.ts";

/** In the order in which an entry is looked for. */
const areas = [
  "kubernetes",
  "scaling",
  "command-line",
  "component-files",
  "secrets",
  "runtime",
  "apps",
  "calls",
  "testing",
  "bindings",
] as const;

type Area = {
  readonly name: string;
  readonly title: string;
  readonly intro: string;
  /** What the files' paths below src/ begin with. */
  readonly in: readonly string[];
  /** `binding`: the texts of an entry are listed by binding. */
  readonly groupBy?: "binding";
  readonly entries: readonly Entry[];
};

type Entry = {
  readonly title: string;
  /** As that of the area, which it narrows. */
  readonly in?: readonly string[];
  /** A regular expression for the beginning of the file's path below src/. */
  readonly files?: string;
  /** The reasons of its texts; `log` for what is logged. Any, if absent. */
  readonly reason?: readonly string[] | string;
  /** A regular expression for the text. */
  readonly text?: string;
  /** The whole texts, where no expression could tell them from others to come. */
  readonly texts?: readonly string[];
  readonly means: string;
  readonly do: string;
};

export type ErrorIndex = {
  /** By their paths below docs/. */
  readonly pages: ReadonlyMap<string, { readonly title: string; readonly generated: string }>;
  /** Texts that no entry explains, as `file:line: text`. */
  readonly unexplained: readonly string[];
  /** Entries that explain no text, and listed texts that are not told. */
  readonly unused: readonly string[];
};

export function errorIndex(root: string): ErrorIndex {
  const read = areas.map((name): Area => {
    const area = parsed(name) as Omit<Area, "name">;
    const listed = parsed(`${name}-listed`) as Pick<Area, "entries"> | undefined;
    return { name, ...area, entries: [...area.entries, ...(listed?.entries ?? [])] };
  });
  const explained = new Map<Entry, ErrorText[]>();
  const unexplained: string[] = [];
  for (const one of collectErrors(root)) {
    const area = read.find((candidate) => isIn(one, candidate.in));
    const entry = area?.entries.find((candidate) => explains(candidate, one));
    if (entry === undefined) unexplained.push(`${one.file}:${one.line}: ${one.text}`);
    else explained.set(entry, [...(explained.get(entry) ?? []), one]);
  }
  const pages = new Map([["errors/README.md", { title: "Errors", generated: listOf(read) }]]);
  for (const area of read) {
    pages.set(`errors/${area.name}.md`, { title: area.title, generated: pageOf(area, explained) });
  }
  const unused = read.flatMap(({ name, entries }) =>
    entries.flatMap((entry) =>
      unusedIn(entry, explained.get(entry)).map((one) => `${name}: ${one}`),
    ),
  );
  return { pages, unexplained, unused };
}

function parsed(name: string): unknown {
  const path = join(import.meta.dirname, "entries", `${name}.yaml`);
  return existsSync(path) ? parse(readFileSync(path, "utf8")) : undefined;
}

function unusedIn({ title, texts = [] }: Entry, told: readonly ErrorText[] | undefined): string[] {
  if (told === undefined) return [title];
  const known = new Set(told.map(({ text }) => text.trim()));
  return texts.filter((text) => !known.has(text)).map((text) => `${title}: ${text}`);
}

function isIn({ file }: ErrorText, begins: readonly string[]): boolean {
  return begins.some((begin) => file.startsWith(`src/${begin}`));
}

function explains({ in: begins, files, reason, text, texts }: Entry, one: ErrorText): boolean {
  if (begins !== undefined && !isIn(one, begins)) return false;
  if (files !== undefined && !new RegExp(`^src/${files}`).test(one.file)) return false;
  if (reason !== undefined && ![reason].flat().includes(one.reason ?? "")) return false;
  if (texts !== undefined && !texts.includes(one.text.trim())) return false;
  return text === undefined || new RegExp(text.trim()).test(one.text);
}

function listOf(read: readonly Area[]): string {
  return [
    "Every text of an error, finding or warning that Cufflink itself makes, with what it means and what to do. `…` stands for a value. To find one, search this folder, or the site, for words of it that are no values.",
    read.map(({ name, title, intro }) => `- [${title}](${name}.md): ${intro}`).join("\n"),
    "What clients read, by gRPC code and HTTP status, is in [differences from Dapr](../dapr-differences.md#wire); exit codes are in [the command line](../cli.md#exit-codes).",
  ].join("\n\n");
}

function pageOf(area: Area, explained: ReadonlyMap<Entry, readonly ErrorText[]>): string {
  const parts = area.entries.flatMap((entry) => {
    const texts = explained.get(entry) ?? [];
    const list =
      area.groupBy === "binding"
        ? byBinding(texts)
        : [...new Set(texts.map(line))].toSorted().join("\n");
    return [`## ${entry.title}`, entry.means.trim(), `**What to do.** ${entry.do.trim()}`, list];
  });
  return [area.intro.trim(), ...parts].join("\n\n");
}

function byBinding(texts: readonly ErrorText[]): string {
  const groups = new Map<string, Set<string>>();
  for (const one of texts) {
    const [, first = "", second = "", third = ""] = one.file.replace(/\.ts$/, "").split("/");
    const name = first === "bindings" ? (third.includes(".") ? third : second) : `several bindings`;
    groups.set(name, (groups.get(name) ?? new Set()).add(line(one)));
  }
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, lines]) => `### ${name}\n\n${[...lines].toSorted().join("\n")}`)
    .join("\n\n");
}

/** A text as a line of a list, with its reason. */
function line({ text, reason }: ErrorText): string {
  const plain = text.trim().replaceAll(/\s+/g, " ");
  const fence = plain.includes("`") ? "``" : "`";
  const pad = plain.startsWith("`") || plain.endsWith("`") ? " " : "";
  const code = `${fence}${pad}${plain}${pad}${fence}`;
  return `- ${code}${reason === undefined || reason === "log" ? "" : ` (\`${reason}\`)`}`;
}
