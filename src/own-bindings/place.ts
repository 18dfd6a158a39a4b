import { readFileSync } from "node:fs";
import { isAbsolute, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** A file as a person calls it: from the working directory on if it is below that. */
export function shownFile(file: string, cwd: string): string {
  const path = relative(cwd, file);
  return path.startsWith("..") || isAbsolute(path) ? file : path;
}

/**
 * The line, from 1, at which a declaration names the last of these properties, each looked for after the one before it,
 * or the last of them that is there at all; without one that of `export default`. A text is looked at and no syntax, so
 * that what is built by other code has the line of its export.
 */
export function lineOf(file: string, path: readonly string[]): number {
  const source = textOf(file);
  const begin = /^\s*export\s+default\b|\bas\s+default\b/m.exec(source);
  const declared = /\bdefineBinding\s*(?:<[^(]*>)?\s*\(/.exec(source);
  let at = begin?.index ?? 0;
  let from = declared?.index ?? at;
  for (const name of path) {
    const named = new RegExp(
      `(?<![\\w$.])["']?${name.replaceAll(/\W/g, "\\$&")}["']?\\s*[:(,}]`,
      "g",
    );
    named.lastIndex = from;
    const found = named.exec(source);
    if (found === null) break;
    at = found.index;
    from = found.index + name.length;
  }
  return source.slice(0, at).split("\n").length + (/^\s*\n/.test(source.slice(at)) ? 1 : 0);
}

/** The first line, from 1, that has this text; 1 where none has. */
export function lineWith(file: string, text: string): number {
  const lines = textOf(file).split("\n");
  return Math.max(1, lines.findIndex((line) => line.includes(text)) + 1);
}

/** Where something thrown while a module was imported is from: the first place in it that is no part of Node. */
export function thrownAt(error: unknown): { file: string; line: number } | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  // Node begins that of a text which it cannot read with the file and the line.
  const atHead = /^(file:\/\/\S+|\/[^\n]*|[A-Za-z]:\\[^\n]*):(\d+)\n/.exec(stack);
  const inFrames =
    /\n\s+at (?:[^\n]*\()?(file:\/\/[^\s)]+|\/[^\n)]+|[A-Za-z]:\\[^\n)]+):(\d+):\d+\)?/.exec(stack);
  const [, file = "", line = ""] = atHead ?? inFrames ?? [];
  if (file === "") return undefined;
  const path = file.startsWith("file:") ? fileURLToPath(file.replace(/\?.*/, "")) : file;
  return { file: path, line: Number(line) };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
