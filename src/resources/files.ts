import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { closest } from "../metadata/suggest.ts";
import { wholeFileProblem, Source } from "./source.ts";
import type { ResourceProblem } from "./problem.ts";

/** A larger file is none of resources. */
const largestFile = 1024 * 1024;

/**
 * Reads the YAML files of each path: a file, or a folder's `*.yaml` and `*.yml` in name order, without its
 * subfolders. A file that cannot be read is a problem and costs no other; those that are there all the same are
 * named as `unreadable`.
 */
export async function readSources(
  paths: readonly string[],
): Promise<{ sources: Source[]; problems: ResourceProblem[]; unreadable: string[] }> {
  const sources: Source[] = [];
  const problems: ResourceProblem[] = [];
  const unreadable: string[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    for (const file of await filesOf(path, problems, unreadable)) {
      if (seen.has(resolve(file))) continue;
      seen.add(resolve(file));
      const text = await readText(file, problems, unreadable);
      if (text !== undefined) sources.push(new Source(file, text));
    }
  }
  return { sources, problems, unreadable };
}

async function filesOf(
  path: string,
  problems: ResourceProblem[],
  unreadable: string[],
): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = await readdir(path);
    const files: string[] = [];
    for (const name of names.sort(byCodeUnits)) {
      // Kubernetes and editors keep what is theirs under names with a leading dot.
      if (name.startsWith(".")) continue;
      const extension = extname(name).slice(1).toLowerCase();
      if (extension === "yaml" || extension === "yml") {
        if ((await stat(join(path, name)).catch(() => undefined))?.isDirectory() !== true)
          files.push(join(path, name));
      } else if (
        extension !== "xml" &&
        extension.length > 2 &&
        closest(extension, ["yaml", "yml"]) !== undefined
      ) {
        const message = "is not read: only names that end in .yaml or .yml are";
        problems.push(wholeFileProblem("warning", join(path, name), message));
      }
    }
    return files;
  } catch (thrown) {
    problems.push(wholeFileProblem("error", path, `cannot be read: ${reasonOf(thrown)}`));
    if (!isGone(thrown)) unreadable.push(path);
    return [];
  }
}

async function readText(
  file: string,
  problems: ResourceProblem[],
  unreadable: string[],
): Promise<string | undefined> {
  const fail = (message: string): undefined => {
    problems.push(wholeFileProblem("error", file, message));
    unreadable.push(file);
    return undefined;
  };
  let bytes: Buffer;
  try {
    const { size } = await stat(file);
    if (size > largestFile)
      return fail("is larger than 1 MiB, and no resource file is; it is left out");
    bytes = await readFile(file);
  } catch (thrown) {
    fail(`cannot be read: ${reasonOf(thrown)}`);
    // It went between the two looks.
    if (isGone(thrown)) unreadable.pop();
    return undefined;
  }
  try {
    // The decoder drops a byte order mark.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // oxlint-disable-next-line no-control-regex -- they tell binary data from text
    const binary = /[\u0000-\u0008\u000e-\u001f]/.test(text);
    return binary ? fail("holds binary data, not YAML; it is left out") : text;
  } catch {
    return fail("is not UTF-8 text; save it as UTF-8");
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isGone(thrown: unknown): boolean {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}

function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (code === "ENOENT") return "there is no such file or folder";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code || "it is no readable file";
}
