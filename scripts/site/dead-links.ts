import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** The links, anchors and images of a built site that lead nowhere, each with its page. */
export function deadLinks(built: string): string[] {
  const pages = globSync("**/*.html", { cwd: built }).map((page) => page.replaceAll("\\", "/"));
  const texts = new Map(pages.map((page) => [page, readFileSync(join(built, page), "utf8")]));
  const anchors = new Map(
    Array.from(texts, ([page, text]) => [
      page,
      new Set(Array.from(text.matchAll(/ id="([^"]+)"/g), ([, id = ""]) => id)),
    ]),
  );
  return [...texts].flatMap(([page, text]) => {
    const targets = Array.from(
      text.matchAll(/<(?:a|img|link|script)\b[^>]*? (?:href|src)="([^"]*)"/g),
    );
    return [...new Set(targets.map(([, target = ""]) => target))]
      .filter((target) => !isAlive(decodeURI(target.replaceAll("&amp;", "&")), page))
      .map((target) => `${page}: the link ${target} leads nowhere`);
  });

  function isAlive(target: string, from: string): boolean {
    if (/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(target)) return true;
    const [path = "", anchor = ""] = target.split("#");
    const place = path.startsWith("/") ? path.slice(1) : posix.join(dirname(from), path);
    const file = [
      path === "" ? from : place,
      `${place}.html`,
      posix.join(place, "index.html"),
    ].find((one) => texts.has(one) || (/\.\w+$/.test(one) && existsSync(join(built, one))));
    if (file === undefined) return false;
    return anchor === "" || !texts.has(file) || anchors.get(file)?.has(anchor) === true;
  }
}
