import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { AnyBinding } from "../binding.ts";
import { bindingModules } from "../bindings/modules.ts";
import type { OtherBindings } from "../runtime/binding-catalogue.ts";
import type { OwnBinding, Whence } from "../own-bindings/load.ts";
import { shownFile } from "../own-bindings/place.ts";

/** Adds `--bindings`, which every command has that knows types. */
export function addBindingsOption(command: Command): Command {
  return command.option(
    "--bindings <file>",
    "a binding of your own, as ./my-binding.ts, or the package of one; may be repeated",
    (value: string, before: string[]) => [...before, value],
    [],
  );
}

/** The users' bindings of a serving process. */
export type OwnBindings = Required<Pick<OtherBindings, "loaded" | "find">> & {
  /** The files that were changed since they were loaded, which no reload takes over; a sentence each. */
  changes(): Promise<string[]>;
};

/**
 * Loads the named ones; packages wait until a type is asked for that nobody has. Throws a `BindingError` where a named
 * one cannot be loaded; what is wrong with a package is told, once.
 */
export async function openOwnBindings(
  named: readonly string[],
  tell: (problem: string) => void,
): Promise<OwnBindings> {
  const own = await loadNamed(named);
  const digests = new Map(
    await Promise.all(own.map(async ({ file }) => [file, await digestOf(file)] as const)),
  );
  const { BindingPackages } = await import("../own-bindings/packages.ts");
  const packages = new BindingPackages(whence());
  const told = new Set<string>();
  return {
    loaded: own.map(({ binding }) => binding),
    async find() {
      const found = await packages.load(own);
      for (const problem of found.problems.filter((one) => !told.has(one))) {
        told.add(problem);
        tell(problem);
      }
      return found.own.map(({ binding }) => binding);
    },
    async changes() {
      const changed: string[] = [];
      for (const [file, digest] of digests) {
        const now = await digestOf(file);
        const shown = shownFile(file, process.cwd());
        if (now !== digest)
          changed.push(
            `${shown} was ${now === undefined ? "removed" : "changed"} after it was loaded; it is as it was until a restart`,
          );
      }
      return changed;
    },
  };
}

/** All types that there are, ours first, and those that are not ours; with what is wrong with packages. */
export async function allBindings(named: readonly string[]): Promise<{
  bindings: readonly AnyBinding[];
  added: readonly AnyBinding[];
  problems: string[];
}> {
  const { bindings } = await import("../bindings/index.ts");
  const { BindingPackages } = await import("../own-bindings/packages.ts");
  const own = await loadNamed(named);
  const packages = await new BindingPackages(whence()).load(own);
  const added = [...own, ...packages.own].map(({ binding }) => binding);
  return { bindings: [...bindings, ...added], added, problems: packages.problems };
}

async function loadNamed(named: readonly string[]): Promise<OwnBinding[]> {
  if (named.length === 0) return [];
  const { loadOwnBindings } = await import("../own-bindings/load.ts");
  return loadOwnBindings(named, whence());
}

function whence(): Whence {
  const taken = bindingModules.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  return { cwd: process.cwd(), taken };
}

async function digestOf(file: string): Promise<string | undefined> {
  try {
    return createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  } catch {
    return undefined;
  }
}
