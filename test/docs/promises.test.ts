import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readPage, root } from "./pages.ts";

const promises = readPage("docs/promises.md").split("\n## ").slice(1);

describe.each(promises.map((text) => [text.split("\n", 1)[0] ?? "", text]))("%s", (_, text) => {
  const tests = Array.from(text.matchAll(/^- \[`(test\/\S+)`\]\([^)]+\): “(.+)”$/gm));

  test("has tests, and says nothing else of them", () => {
    expect(tests.length).toBeGreaterThan(0);
    expect(text.match(/^- /gm)?.length).toBe(tests.length);
  });

  test.each(tests.map(([, file = "", title = ""]) => [file, title]))("%s: %s", (file, title) => {
    const source = readFileSync(join(root, file), "utf8");
    expect(source.includes(`"${title}"`) || source.includes(`\`${title}\``)).toBe(true);
  });
});

test("the numbers count up", () => {
  expect(promises.map((text) => Number.parseInt(text, 10))).toEqual(
    promises.map((_, at) => at + 1),
  );
});
