import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  loadOwnBinding,
  namesOf,
  packageFile,
  type OwnBinding,
  type TakenNames,
  type Whence,
} from "./load.ts";

/** How the packages are called that have a binding each; a scope may stand before it. */
const prefix = "cufflink-binding-";

/**
 * The packages `cufflink-binding-*` of the working directory, loaded when they are asked for: once each, so that asking
 * again finds those that were installed since.
 */
export class BindingPackages {
  readonly #cwd: string;
  readonly #names: TakenNames;
  readonly #looked = new Map<string, OwnBinding | string[]>();

  constructor({ cwd, taken }: Whence) {
    this.#cwd = cwd;
    this.#names = namesOf(taken);
  }

  /**
   * The bindings of all, and what is wrong with the others, a line each. `others`: files that were loaded already, which
   * have their types even if a package has them too.
   */
  async load(
    others: readonly OwnBinding[] = [],
  ): Promise<{ own: OwnBinding[]; problems: string[] }> {
    const loaded = new Set(others.map(({ file }) => file));
    for (const { binding, file } of others)
      for (const name of [binding.name, ...(binding.aliases ?? [])])
        this.#names.set(name.toLowerCase(), file);
    for (const name of packagesIn(join(this.#cwd, "node_modules"))) {
      if (this.#looked.has(name)) continue;
      const file = packageFile(name, this.#cwd);
      if (typeof file !== "string") this.#looked.set(name, [file.problem]);
      else if (!loaded.has(file))
        this.#looked.set(name, await loadOwnBinding(file, this.#cwd, this.#names));
    }
    const all = [...this.#looked.values()];
    return {
      own: all.flatMap((one) => (Array.isArray(one) ? [] : [one])),
      problems: all.flatMap((one) => (Array.isArray(one) ? one : [])),
    };
  }
}

/** Their names in a folder `node_modules`, in order; there may be no such folder. */
function packagesIn(folder: string): string[] {
  return entriesOf(folder)
    .flatMap((name) =>
      name.startsWith("@")
        ? entriesOf(join(folder, name)).map((inner) => ({ name: `${name}/${inner}`, inner }))
        : [{ name, inner: name }],
    )
    .filter(({ inner }) => inner.startsWith(prefix))
    .map(({ name }) => name)
    .toSorted();
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
