// The navigation of the site is docs/README.md: its headings are the groups, its links the pages. What it lists by a
// folder's README (bindings, secret stores), and the decisions, has the pages of that folder below it.
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { docs } from "./links.ts";

export type NavigationItem = {
  readonly text: string;
  /** From the root of the site, without `.md`. */
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: NavigationItem[];
};

/** The folders whose pages are not listed one by one. */
const listed: ReadonlySet<string> = new Set(["bindings", "decisions", "errors", "secret-stores"]);

export function navigation(): NavigationItem[] {
  const groups: { text: string; collapsed: boolean; items: NavigationItem[] }[] = [];
  for (const line of readFileSync(join(docs, "README.md"), "utf8").split("\n")) {
    const heading = /^## (.+)$/.exec(line)?.[1];
    if (heading !== undefined) groups.push({ text: heading, collapsed: false, items: [] });
    const [, text, target] = /^- \[([^\]]+)\]\(([^)#]+)(?:#[^)]*)?\)/.exec(line) ?? [];
    if (text === undefined || target === undefined) continue;
    groups.at(-1)?.items.push(itemOf(text.replaceAll("`", ""), target));
  }
  return groups.filter(({ items }) => items.length > 0);
}

/** The pages that the navigation leads to, as paths from docs/. */
export function pagesIn(items: readonly NavigationItem[]): string[] {
  return items.flatMap(({ link, items: below }) => [
    ...(link?.startsWith("/") ? [pageAt(link)] : []),
    ...pagesIn(below ?? []),
  ]);
}

/** All pages of the site, as paths from docs/. */
export function sitePages(): string[] {
  return globSync("**/*.md", { cwd: docs }).toSorted();
}

function itemOf(text: string, target: string): NavigationItem {
  const folder = dirname(target);
  if (!target.endsWith(".md")) return { text, link: `/${target}` };
  if (!listed.has(folder)) return { text, link: linkTo(target) };
  const items = globSync(`${folder}/*.md`, { cwd: docs })
    .toSorted()
    .filter((page) => page !== target)
    .map((page) => ({ text: titleOf(page), link: linkTo(page) }));
  return { text, link: linkTo(target), collapsed: true, items };
}

function linkTo(page: string): string {
  return `/${page.replace(/(^|\/)README\.md$/, "$1").replace(/\.md$/, "")}`;
}

function pageAt(link: string): string {
  return `${link.slice(1)}${link.endsWith("/") ? "README" : ""}.md`;
}

function titleOf(page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(join(docs, page), "utf8")) ?? [];
  return title.replaceAll("`", "");
}
