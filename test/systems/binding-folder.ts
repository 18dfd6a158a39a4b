import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** Where the tests of a binding are: its folder, in that of its family if it has one, or its file. */
export function bindingFolder(type: string): string {
  const folder = "test/bindings";
  const families = readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}/${type}`);
  const candidates = [...families, `${folder}/${type}`, `${folder}/${type}.test.ts`];
  const found = candidates.find((path) => existsSync(join(root, path)));
  if (found === undefined) throw new Error(`${type} has no tests in ${folder}`);
  return found.endsWith(".ts") ? found : `${found}/`;
}
