import { existsSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { AnyBinding } from "../binding.ts";
import { resolvePackage, useOwnModule } from "../cufflink-module.ts";
import { BindingError, messageOf } from "../errors.ts";
import { lineOf, lineWith, shownFile, thrownAt } from "./place.ts";
import { isBinding, shapeProblems, shapeText } from "./shape.ts";

/** A binding of a user's own, with the file that it is from. */
export type OwnBinding = { readonly binding: AnyBinding; readonly file: string };

/** Where names are looked up and messages are read from. */
export type Whence = {
  readonly cwd: string;
  /** The types that Cufflink has, with their aliases. */
  readonly taken: Iterable<string>;
};

/**
 * Loads what `--bindings` names: files, and packages of the working directory. Throws a `BindingError` with a line for each
 * thing that is wrong with any of them.
 */
export async function loadOwnBindings(
  named: readonly string[],
  { cwd, taken }: Whence,
): Promise<OwnBinding[]> {
  const problems: string[] = [];
  const own: OwnBinding[] = [];
  const names = namesOf(taken);
  const files = new Set<string>();
  for (const name of named) {
    const file = fileOf(name, cwd);
    if (typeof file === "string" && files.has(file)) continue;
    if (typeof file === "string") files.add(file);
    const loaded =
      typeof file === "string" ? await loadOwnBinding(file, cwd, names) : file.problems;
    if (Array.isArray(loaded)) problems.push(...loaded);
    else own.push(loaded);
  }
  if (problems.length === 0) return own;
  throw new BindingError("unavailable", problems.join("\n"), { effect: "unsent" });
}

/** Whose each name is, in lower case; those of bindings that are loaded are added. */
export type TakenNames = Map<string, string>;

/** The names of Cufflink's own types. */
export function namesOf(taken: Iterable<string>): TakenNames {
  return new Map([...taken].map((name) => [name.toLowerCase(), "Cufflink itself"]));
}

/** Imports a file and looks whether it declares a binding. Resolves to what is wrong with it, a line each, if anything is. */
export async function loadOwnBinding(
  file: string,
  cwd: string,
  names: TakenNames,
): Promise<OwnBinding | string[]> {
  const shown = shownFile(file, cwd);
  const url = pathToFileURL(file).href;
  useOwnModule(url);
  let exported: { readonly default?: unknown };
  try {
    exported = (await import(url)) as typeof exported;
  } catch (error) {
    return [importProblem(error, file, cwd)];
  }
  if (exported.default === undefined) {
    const others = Object.keys(exported);
    const has = others.length === 0 ? "" : ` (it exports ${others.join(", ")})`;
    const what = "has no default export; write `export default defineBinding({ … })`";
    return [`${shown}:1: ${what}${has}`];
  }
  const binding = exported.default;
  if (!isBinding(binding))
    return shapeProblems(binding).map(
      (problem) => `${shown}:${lineOf(file, problem.path)}: ${shapeText(problem)}`,
    );
  const problems = [binding.name, ...(binding.aliases ?? [])].flatMap((name, index) => {
    const owner = names.get(name.toLowerCase());
    const line = lineOf(file, [index === 0 ? "name" : "aliases"]);
    if (owner !== undefined && owner !== shown)
      return [
        `${shown}:${line}: the type \`bindings.${name}\` is taken by ${owner}; choose another name`,
      ];
    names.set(name.toLowerCase(), shown);
    return [];
  });
  return problems.length > 0 ? problems : { binding, file };
}

/** The file that a name stands for, which may be a package's. */
function fileOf(name: string, cwd: string): string | { problems: string[] } {
  const path = resolve(cwd, name);
  if (existsSync(path) && statSync(path).isFile()) return path;
  const isPath = name.startsWith(".") || isAbsolute(name) || /\.[cm]?[jt]s$/.test(name);
  const isInstalled = existsSync(join(cwd, "node_modules", name));
  if (isPath || (existsSync(path) && !isInstalled)) {
    const what = existsSync(path) ? "is a folder; name the file in it" : "does not exist";
    return { problems: [`--bindings ${name}: ${shownFile(path, cwd) || path} ${what}`] };
  }
  if (!isInstalled) {
    const where = `no package in ${join(cwd, "node_modules")}`;
    return {
      problems: [
        `--bindings ${name}: there is no such file, and ${where}; run: npm install ${name}`,
      ],
    };
  }
  const found = packageFile(name, cwd);
  return typeof found === "string" ? found : { problems: [found.problem] };
}

/** The file of a package of the working directory that its manifest names to be imported. */
export function packageFile(name: string, cwd: string): string | { readonly problem: string } {
  try {
    return fileURLToPath(resolvePackage(name, cwd));
  } catch (error) {
    const [said = ""] = messageOf(error).split("\n", 1);
    return { problem: `the package ${name} cannot be loaded: ${said}` };
  }
}

function importProblem(error: unknown, file: string, cwd: string): string {
  const code = (error as { code?: unknown } | null)?.code;
  const at = thrownAt(error);
  const place = `${shownFile(at?.file ?? file, cwd)}:${at?.line ?? 1}`;
  const [said = ""] = messageOf(error).split("\n", 1);
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
    return `${place}: ${said}: Node only strips types; use syntax that is erased (\`erasableSyntaxOnly\` of tsc tells), or compile it`;
  if (error instanceof SyntaxError && /does not provide an export/.test(said))
    return `${place}: it imports what is not there: ${said}`;
  if (code === "ERR_INVALID_TYPESCRIPT_SYNTAX" || error instanceof SyntaxError)
    return `${place}: it is no valid ${/\.[cm]?ts$/.test(at?.file ?? file) ? "TypeScript" : "JavaScript"}: ${said}`;
  if (code === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING")
    return `${shownFile(file, cwd)}:1: Node strips no types below node_modules; a package has to ship JavaScript`;
  if (code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED") {
    const [, what = "", from = ""] = /'([^']+)' imported from (.+)$/.exec(said) ?? [];
    const importer = from === "" ? file : from;
    return `${shownFile(importer, cwd)}:${lineWith(importer, what.split("/").at(-1) ?? what)}: ${said.replace(/ imported from .*/, "")}`;
  }
  return `${place}: it throws when it is imported: ${said}`;
}
