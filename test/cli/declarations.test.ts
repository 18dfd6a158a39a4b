import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { bindingModules } from "../../src/bindings/modules.ts";
import { withDeclarations, writeDeclarations } from "../../src/cli/declarations.ts";
import { declarationOfBinding } from "../../src/runtime/declared-binding.ts";

test("a build writes what each binding declares, and the program finds it", () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-declarations-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeDeclarations(bindings, folder);
  const read = withDeclarations(bindingModules, folder).map((module) => module.declaration?.());
  // A type that is not built says so by its code.
  const built = bindings.map((one) => (one.notBuilt ? undefined : declarationOfBinding(one)));
  expect(read).toEqual(built);
});

test("a checkout that was not built has none", () => {
  const modules = withDeclarations(bindingModules);
  expect(modules.map((module) => module.declaration?.())).toEqual(
    bindingModules.map(() => undefined),
  );
});
