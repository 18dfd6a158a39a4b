import { existsSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { stateStores } from "../../src/states/index.ts";

const root = resolve(import.meta.dirname, "../..");

/** The names of the modules right in a folder of `src`. */
function modules(folder: string): string[] {
  return readdirSync(resolve(root, "src", folder))
    .map((name) => name.replace(/\.ts$/, ""))
    .filter((name) => name !== "index")
    .toSorted();
}

test("the list is exactly what there is, in order", () => {
  expect(bindings.map(({ name }) => name)).toEqual(modules("bindings"));
  expect(stateStores.map(({ name }) => name)).toEqual(modules("states"));
});

test("no name or alias is taken twice", () => {
  const names = bindings.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  const folded = names.map((name) => name.toLowerCase());
  expect(new Set(folded).size).toBe(folded.length);
});

test.each(bindings.map(({ name }) => name))("%s has a test and a page", (name) => {
  const tests = [`test/bindings/${name}/index.test.ts`, `test/bindings/${name}.test.ts`];
  expect(tests.some((path) => existsSync(resolve(root, path)))).toBe(true);
  expect(existsSync(resolve(root, `docs/bindings/${name}.md`))).toBe(true);
});
