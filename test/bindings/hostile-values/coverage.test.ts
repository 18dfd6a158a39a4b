import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";

/** Bindings that take no text of a caller, and why. */
const without: Readonly<Record<string, string>> = {
  cron: "an input, whose schedule is parsed",
  file: "an input, whose folder is the component's",
  webhook: "an input: test/bindings/webhook/answers.test.ts has what strangers send",
};

test("every binding that takes a caller's text is tested with hostile ones", () => {
  const texts = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(import.meta.dirname, name), "utf8"));
  const tested = new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/import (\w+) from "\.\.\/\.\.\/\.\.\/src\/bindings\/([^"]+)"/g)].flatMap(
        ([, variable = "", path = ""]) =>
          text.includes(`testHostileValues(${variable},`)
            ? [path.replace(/\/index\.ts$|\.ts$/, "").replace(/^.*\//, "")]
            : [],
      ),
    ),
  );
  const missing = bindings.filter(({ name }) => !tested.has(name) && !(name in without));
  expect(missing.map(({ name }) => name)).toEqual([]);
});
