// The links of the pages are those that work on GitHub. On the site, one to a page keeps its place, and one to any other
// file of the checkout leads to the repository.
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");
export const docs = join(root, "docs");
export const repository = "https://github.com/cufflink-runtime/cufflink";

/** `target` as the site has it, of a link that stands in `page`, a path from docs/. */
export function siteLink(target: string, page: string): string {
  if (/^([a-z][a-z0-9+.-]*:|#|\/)/i.test(target)) return target;
  const [path = "", anchor] = target.split("#");
  const place = resolve(docs, dirname(page), decodeURI(path));
  if (!existsSync(place)) return target;
  const fromDocs = relative(docs, place);
  const isPage = !fromDocs.startsWith("..") && /\.(md|svg|png)$/.test(place);
  if (isPage) return target.replace(/(^|\/)README\.md(?=#|$)/, "$1index.md");
  const kind = statSync(place).isDirectory() ? "tree" : "blob";
  const fromRoot = relative(root, place).replaceAll("\\", "/");
  return `${repository}/${kind}/main/${fromRoot}${anchor === undefined ? "" : `#${anchor}`}`;
}

/** The anchor of a heading, as GitHub makes it. Repeated ones are numbered by who asks. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
