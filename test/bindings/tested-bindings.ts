import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The names of the bindings that the test files of a folder call a suite with. */
export function testedBindings(folder: string, suite: string): Set<string> {
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"));
  const imported = /import (\w+) from "(?:\.\.\/)+src\/bindings\/([^"]+)"/g;
  return new Set(
    texts.flatMap((text) =>
      [...text.matchAll(imported)].flatMap(([, variable = "", path = ""]) =>
        text.includes(`${suite}(${variable},`)
          ? [path.replace(/\/index\.ts$|\.ts$/, "").replace(/^.*\//, "")]
          : [],
      ),
    ),
  );
}
