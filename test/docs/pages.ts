import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

/** A fenced block of a page. `language` is empty where the page names none. */
export type Block = {
  readonly page: string;
  /** Of its first line, counted from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
};

/** The pages that users and contributors read, by their paths from the checkout's root. */
export const pages: readonly string[] = globSync(
  [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/**/*.md",
    "examples/**/README.md",
    "test/**/README.md",
    "proto/README.md",
    "scripts/package/*.md",
  ],
  { cwd: root, exclude: (name) => name.includes("node_modules") },
).toSorted();

export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

/** All fenced blocks, in the order in which they stand. */
export function blocks(): Block[] {
  return pages.flatMap((page) => {
    const found: Block[] = [];
    const lines = readPage(page).split("\n");
    for (let at = 0; at < lines.length; at++) {
      const language = /^```(\w*)$/.exec(lines[at] ?? "")?.[1];
      if (language === undefined) continue;
      const end = lines.indexOf("```", at + 1);
      found.push({ page, line: at + 2, language, text: lines.slice(at + 1, end).join("\n") });
      at = end;
    }
    return found;
  });
}

/** Where a block stands, as an editor opens it. */
export function placeOf({ page, line }: Block): string {
  return `${page}:${line}`;
}
