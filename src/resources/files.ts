import { extname, join, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";
import {
  kindOfOther,
  readNames,
  readRegularFile,
  statOf,
  UnreadableFile,
} from "../regular-file.ts";
import { wholeFileProblem, Source } from "./source.ts";
import type { ResourceProblem } from "./problem.ts";

const mebibyte = 1024 * 1024;
/** A larger file is none of resources. */
const largestFile = mebibyte;
/** The most that the files of all paths may have together. */
const largestTogether = 64 * mebibyte;

/** What was read, and what was found on the way. */
type Reading = {
  readonly sources: Source[];
  readonly problems: ResourceProblem[];
  readonly unreadable: string[];
  bytes: number;
};

/**
 * Reads the YAML files of each path: a file, or a folder's `*.yaml` and `*.yml` in name order, without its
 * subfolders. Only regular files of at most 1 MiB are read, 64 MiB of all together, each within five seconds. A file
 * that cannot be read is a problem and costs no other; those that are there all the same are named as `unreadable`.
 */
export async function readSources(
  paths: readonly string[],
): Promise<{ sources: Source[]; problems: ResourceProblem[]; unreadable: string[] }> {
  const reading: Reading = { sources: [], problems: [], unreadable: [], bytes: 0 };
  const seen = new Set<string>();
  for (const path of paths) {
    for (const file of await filesOf(path, reading)) {
      if (seen.has(resolve(file))) continue;
      seen.add(resolve(file));
      const text = await readText(file, path, reading);
      if (text !== undefined) reading.sources.push(new Source(file, text));
    }
  }
  return reading;
}

async function filesOf(path: string, reading: Reading): Promise<string[]> {
  try {
    if (!(await statOf(path)).isDirectory()) return [path];
    const files: string[] = [];
    for (const name of await readNames(path)) {
      // Kubernetes and editors keep what is theirs under names with a leading dot.
      if (name.startsWith(".")) continue;
      const extension = extname(name).slice(1).toLowerCase();
      const file = join(path, name);
      if (extension === "yaml" || extension === "yml") {
        if (await isFolder(file, path)) warn(file, "is a folder, and is not looked into", reading);
        else files.push(file);
      } else if (
        extension !== "xml" &&
        extension.length > 2 &&
        closest(extension, ["yaml", "yml"]) !== undefined
      ) {
        warn(file, "is not read: only names that end in .yaml or .yml are", reading);
      }
    }
    return files;
  } catch (thrown) {
    refuse(path, thrown, reading);
    return [];
  }
}

/** What cannot be looked at is told where it is read. */
async function isFolder(file: string, folder: string): Promise<boolean> {
  const found = await statOf(file, folder).catch(() => undefined);
  return found !== undefined && kindOfOther(found) === "a folder";
}

async function readText(file: string, path: string, reading: Reading): Promise<string | undefined> {
  try {
    const bytes = await readRegularFile(file, { largest: largestFile, place: path });
    if (reading.bytes + bytes.length > largestTogether)
      throw new UnreadableFile("is left out: all resource files together are larger than 64 MiB");
    reading.bytes += bytes.length;
    return decode(bytes);
  } catch (thrown) {
    refuse(file, thrown, reading);
    return undefined;
  }
}

function decode(bytes: Buffer): string {
  let text: string;
  try {
    // The decoder drops a byte order mark.
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UnreadableFile("is not UTF-8 text; save it as UTF-8");
  }
  // oxlint-disable-next-line no-control-regex -- they tell binary data from text
  if (/[\u0000-\u0008\u000e-\u001f]/.test(text))
    throw new UnreadableFile("holds binary data, not YAML; it is left out");
  return text;
}

function warn(file: string, message: string, { problems }: Reading): void {
  problems.push(wholeFileProblem("warning", file, message));
}

function refuse(path: string, thrown: unknown, { problems, unreadable }: Reading): void {
  problems.push(wholeFileProblem("error", path, messageOf(thrown)));
  // One that went between two looks defines nothing any more.
  if (!(thrown instanceof UnreadableFile && thrown.isGone)) unreadable.push(path);
}
