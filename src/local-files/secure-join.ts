import { lstat, readlink } from "node:fs/promises";
import { isAbsolute, join, posix } from "node:path";

/** More links in a row than any honest folder has. */
const mostLinks = 255;

/**
 * Puts a name behind a folder so that the result lies in that folder, whatever the name says: `..`
 * goes no further up than the folder, an absolute name begins there, and symbolic links are followed as
 * if the folder were `/`. The last parts may be missing; they are taken as they are written.
 */
export async function secureJoin(root: string, name: string): Promise<string> {
  const remaining = name.split("/");
  let inside = "/";
  let links = 0;
  for (;;) {
    const part = remaining.shift();
    if (part === undefined) return inside === "/" ? root : join(root, inside);
    const next = posix.join(inside, part);
    if (next === inside || next === "/") {
      inside = next;
      continue;
    }
    const target = await linkTarget(join(root, next));
    if (target === undefined) {
      inside = next;
      continue;
    }
    if (++links > mostLinks) throw Object.assign(new Error("too many links"), { code: "ELOOP" });
    if (isAbsolute(target)) inside = "/";
    remaining.unshift(...target.split("/"));
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (error) {
    // What is not there, or below a file, is no link.
    if (
      error instanceof Error &&
      "code" in error &&
      /^(ENOENT|ENOTDIR)$/.test(String(error.code))
    ) {
      return undefined;
    }
    throw error;
  }
}
