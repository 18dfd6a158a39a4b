import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { pages, readPage, root } from "./pages.ts";

test.each(pages)("the links of %s lead somewhere", (page) => {
  const broken: string[] = [];
  for (const [, target = ""] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^(https?|mailto):/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    // The pages of a package will lie at its root.
    const folder = page.startsWith("scripts/package/") ? "" : dirname(page);
    const place = path === "" ? page : join(folder, path);
    if (!existsSync(join(root, place))) broken.push(target);
    else if (anchor !== undefined && !anchorsOf(place).has(anchor)) broken.push(target);
  }
  expect(broken).toEqual([]);
});

function prose(page: string): string {
  return readPage(page).replaceAll(/^```[\s\S]*?^```$/gm, "");
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose(page).matchAll(/^#+ (.*)$/gm)) {
    const text = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .trim()
      .toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}
