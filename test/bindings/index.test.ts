import { existsSync, readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { bindingModules } from "../../src/bindings/modules.ts";
import { namesWithBacklog } from "../../src/scaler/with-backlog.ts";
import { stateStores } from "../../src/states/index.ts";

const root = resolve(import.meta.dirname, "../..");

/** The modules right in a folder of `src`, and those in the folder of a family, which has no index of its own: paths. */
function modules(folder: string): string[] {
  return readdirSync(resolve(root, "src", folder), { withFileTypes: true })
    .filter(({ name }) => name !== "index.ts" && name !== "modules.ts")
    .flatMap((entry) => {
      const path = `${folder}/${entry.name.replace(/\.ts$/, "")}`;
      const isFamily = entry.isDirectory() && !existsSync(resolve(root, "src", path, "index.ts"));
      if (!isFamily) return [path];
      return readdirSync(resolve(root, "src", path), { withFileTypes: true })
        .filter((part) => part.isDirectory())
        .map(({ name }) => `${path}/${name}`);
    });
}

const names = (paths: readonly string[]): string[] =>
  paths.map((path) => basename(path)).toSorted();
const paths = new Map(modules("bindings").map((path) => [basename(path), path]));

test("the list is exactly what there is, in order", () => {
  expect(bindings.map(({ name }) => name)).toEqual(names(modules("bindings")));
  expect(stateStores.map(({ name }) => name)).toEqual(names(modules("states")));
});

test("the modules that are loaded when they are needed are the same, under the same names", async () => {
  const loaded = await Promise.all(bindingModules.map(({ load }) => load()));
  expect(loaded.map((module) => module.default)).toEqual(bindings);
  expect(bindingModules.map(({ name, aliases }) => [name, aliases])).toEqual(
    bindings.map(({ name, aliases }) => [name, aliases]),
  );
});

test("no name or alias is taken twice", () => {
  const names = bindings.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  const folded = names.map((name) => name.toLowerCase());
  expect(new Set(folded).size).toBe(folded.length);
});

test.each(bindings.map(({ name }) => name))("%s has a test and a page", (name) => {
  const path = paths.get(name);
  const tests = [`test/${path}/index.test.ts`, `test/${path}.test.ts`];
  expect(tests.some((path) => existsSync(resolve(root, path)))).toBe(true);
  expect(existsSync(resolve(root, `docs/bindings/${name}.md`))).toBe(true);
});

test("each that is built has questions of its own for an examination", () => {
  const without = bindings.filter((one) => one.notBuilt !== true && one.examine === undefined);
  expect(without.map(({ name }) => name)).toEqual([]);
});

test.each(bindings.filter((one) => one.read !== undefined).map(({ name }) => name))(
  "%s says what it promises as an input",
  (name) => {
    const guarantee = bindings.find((binding) => binding.name === name)?.guarantee;
    expect(guarantee).toBeDefined();
    for (const text of [guarantee?.returned, ...Object.values(guarantee?.duplicates ?? {})])
      expect(text).toMatch(/\S/);
  },
);

test("the scaler's list has exactly the types that tell how many events wait", () => {
  const telling = bindings.filter(
    (one) =>
      one.read !== undefined && (one.backlog !== undefined || one.totalBacklog !== undefined),
  );
  expect(namesWithBacklog).toEqual(telling.map(({ name }) => name));
});
test.each(bindings.filter((one) => one.read !== undefined).map(({ name }) => name))(
  "%s says whether replicas share its events",
  (name) => {
    const binding = bindings.find((one) => one.name === name);
    expect(binding?.guarantee?.shared).toBeDefined();
    // Where it depends on the component, a function tells.
    expect(binding?.isShared !== undefined).toBe(typeof binding?.guarantee?.shared === "string");
  },
);
