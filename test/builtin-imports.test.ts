import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withoutBuiltinImports } from "../scripts/builtin-imports.ts";

test.each([
  ['import "node:os";', ""],
  [
    'import { v8 } from "node:v8";',
    'const { v8 } = globalThis.process.getBuiltinModule("node:v8");',
  ],
  [
    'import { a, b as c } from "node:fs/promises";',
    'const { a, b: c } = globalThis.process.getBuiltinModule("node:fs/promises");',
  ],
  ['import tls from "node:tls";', 'const tls = globalThis.process.getBuiltinModule("node:tls");'],
  // The constant must not stand in its own way.
  [
    'import process from "node:process";',
    'const process = globalThis.process.getBuiltinModule("node:process");',
  ],
  ['import * as os from "node:os";', 'const os = globalThis.process.getBuiltinModule("node:os");'],
  [
    'import Emitter, { once } from "node:events";',
    'const Emitter = globalThis.process.getBuiltinModule("node:events"), { once } = Emitter;',
  ],
  ['import { a } from "pino";', 'import { a } from "pino";'],
])("%s", (code, without) => {
  expect(withoutBuiltinImports(`${code}\nrun();\n`)).toBe(`${without}\nrun();\n`);
});

test("a form that it does not know fails the build", () => {
  expect(() => withoutBuiltinImports('import a, * as b from "node:os";')).toThrow(
    "no known form of an import: a, * as b",
  );
});

test("the built daemon imports none of Node's own modules", () => {
  const folder = join(import.meta.dirname, "../dist/daemon");
  const files = globSync("*.js", { cwd: folder });
  expect(files.length).toBeGreaterThan(10);
  const importing = files.filter((file) =>
    /^(?:import|export) .*from "node:/m.test(readFileSync(join(folder, file), "utf8")),
  );
  expect(importing).toEqual([]);
});
