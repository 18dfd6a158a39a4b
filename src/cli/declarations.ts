import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AnyBinding, BindingModule } from "../binding.ts";
import type { KnownModule } from "../runtime/binding-catalogue.ts";
import { declarationOfBinding, type BindingDeclaration } from "../runtime/declared-binding.ts";

/** The modules, each with the declaration that the build has put beside the program. A checkout that was not built has none. */
export function withDeclarations(
  modules: readonly BindingModule[],
  folder = import.meta.dirname,
): KnownModule[] {
  return modules.map((module) => ({
    ...module,
    declaration: () => read(join(folder, fileOf(module))),
  }));
}

/** Puts them into the folder of a program that is built. One whose type is not built says so at the start, by its code. */
export function writeDeclarations(bindings: readonly AnyBinding[], folder: string): void {
  mkdirSync(join(folder, "declarations"));
  for (const binding of bindings.filter((one) => one.notBuilt !== true))
    writeFileSync(join(folder, fileOf(binding)), JSON.stringify(declarationOfBinding(binding)));
}

function fileOf({ name }: Pick<BindingModule, "name">): string {
  return `declarations/${name}.json`;
}

function read(file: string): BindingDeclaration | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as BindingDeclaration;
  } catch {
    return undefined;
  }
}
