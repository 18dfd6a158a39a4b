import { lstat } from "node:fs/promises";
import { BindingError } from "../errors.ts";
import { systemFailure } from "./failures.ts";
import { secureJoin } from "./secure-join.ts";

/** The folder of all files. */
export type Root = {
  /** Its real path. */
  readonly path: string;
  /** Its path as the component says it, absolute. */
  readonly configuredPath: string;
};

/** Bytes; what Linux takes as a path at most. */
const longestName = 4096;

/**
 * The path that a name means. It lies in the root whatever the name says. A name such as `list` answers, an absolute
 * path inside the root, means that file, unless the root has a file of that name below it. Throws a `BindingError`.
 */
export async function locate(root: Root, fileName: string): Promise<string> {
  const what = `error getting absolute path for file ${fileName}`;
  if (fileName.includes("\0")) {
    throw new BindingError("invalid_argument", `${what.replaceAll("\0", "\\0")}: invalid argument`);
  }
  if (Buffer.byteLength(fileName) > longestName) {
    throw new BindingError("invalid_argument", "error getting absolute path: file name too long");
  }
  try {
    const path = await secureJoin(root.path, fileName);
    const inside = insideOf(root, fileName);
    if (inside === undefined || (await exists(path))) return path;
    const absolute = await secureJoin(root.path, inside);
    return (await exists(absolute)) ? absolute : path;
  } catch (error) {
    // Dapr joins the two with a slash more.
    throw systemFailure(what, `lstat ${root.path}//${fileName}`, error);
  }
}

/** What follows the root in an absolute path inside it. */
function insideOf({ path, configuredPath }: Root, fileName: string): string | undefined {
  for (const root of [path, configuredPath]) {
    if (fileName === root) return "";
    if (fileName.startsWith(`${root}/`)) return fileName.slice(root.length + 1);
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
