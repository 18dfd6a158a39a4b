import type { BigIntStats } from "node:fs";
import { access, constants, lstat, mkdir, opendir, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { BindingError, messageOf, type Reason } from "../../errors.ts";
import { matches } from "../../folder-watch/name-patterns.ts";
import type { Sighting } from "../../folder-watch/sighting.ts";
import { answered } from "../../regular-file.ts";
import type { FileMetadata } from "./fields.ts";

/** The watched folder: what is in it, and which of that counts. */
export class Folder {
  readonly root: string;
  /** Where handled files go; `undefined`: they are deleted. */
  readonly processed: string | undefined;
  readonly recursive: boolean;
  readonly #include: readonly string[];
  readonly #ignore: readonly string[];

  constructor(metadata: FileMetadata) {
    this.root = resolve(metadata.folder);
    this.recursive = metadata.recursive;
    this.#include = metadata.include;
    this.#ignore = metadata.ignore;
    if (metadata.onHandled === "move") {
      this.processed = resolve(this.root, metadata.processedFolder);
      const way = relative(this.processed, this.root);
      const within =
        way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
      if (within && (way === "" || this.recursive)) {
        throw new BindingError(
          "invalid_argument",
          "metadata processedFolder must not be the folder itself or have it inside",
        );
      }
    }
  }

  /** Throws unless the folders are there and can be read and written to; makes the one for handled files. */
  async prove(): Promise<void> {
    try {
      await answered(this.root, () => this.#prove());
    } catch (error) {
      throw folderError(this.root, error);
    }
  }

  /** The same, and makes nothing. */
  async examine(): Promise<void> {
    try {
      await answered(this.root, () => this.#proveRoot());
    } catch (error) {
      throw folderError(this.root, error);
    }
  }

  async #prove(): Promise<void> {
    await this.#proveRoot();
    if (this.processed === undefined) return;
    await mkdir(this.processed, { recursive: true });
    await access(this.processed, constants.W_OK | constants.X_OK);
  }

  async #proveRoot(): Promise<void> {
    const found = await stat(this.root);
    if (!found.isDirectory()) {
      throw new BindingError("failed_precondition", `${this.root} is no folder`, {
        effect: "unsent",
      });
    }
    const { R_OK, W_OK, X_OK } = constants;
    await access(this.root, R_OK | W_OK | X_OK);
  }

  /**
   * Looks through the folder. Tells of each folder before it is read, and of each file's name whose
   * name counts, relative to the root. A folder below that cannot be read is told of and left out.
   */
  async walk(
    onFolder: (path: string) => void,
    onFile: (path: string) => Promise<void>,
    onUnreadable: (path: string, error: unknown) => void,
  ): Promise<void> {
    const folders = [""];
    for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
      onFolder(path);
      try {
        for await (const entry of await opendir(join(this.root, path))) {
          const inner = join(path, entry.name);
          if (entry.isDirectory()) {
            if (this.recursive && this.#entered(inner, entry.name)) folders.push(inner);
          } else if (this.#counts(entry.name)) await onFile(inner);
        }
      } catch (error) {
        // A folder below may go while it is read; without the root there is nothing to watch.
        if (path === "") throw folderError(this.root, error);
        if (!isGone(error)) onUnreadable(path, error);
      }
    }
  }

  /** The file as it is now; `undefined` when there is none that counts. */
  async look(path: string): Promise<Sighting | undefined> {
    try {
      const stats = await lstat(join(this.root, path), { bigint: true });
      return stats.isFile() ? sighting(path, stats) : undefined;
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** Whether a name of which the system tells is worth a look. */
  mayCount(path: string): boolean {
    return this.#counts(path.slice(path.lastIndexOf(sep) + 1));
  }

  #counts(name: string): boolean {
    return matches(name, this.#include) && !matches(name, this.#ignore);
  }

  #entered(path: string, name: string): boolean {
    return join(this.root, path) !== this.processed && !matches(name, this.#ignore);
  }
}

export function sighting(path: string, stats: BigIntStats): Sighting {
  return {
    path,
    version: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`,
    size: Number(stats.size),
    modified: stats.mtimeNs,
  };
}

/** Whether an error says that a file is not there (any more). */
export function isGone(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOENT" || error.code === "ENOTDIR")
  );
}

function folderError(folder: string, error: unknown): BindingError {
  if (error instanceof BindingError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const known: Record<string, [Reason, string]> = {
    ENOENT: ["not_found", "it does not exist; make it, or correct metadata folder"],
    ENOTDIR: ["failed_precondition", "it is no folder"],
    EACCES: ["permission_denied", "this process may not read and write there"],
    EROFS: ["permission_denied", "it is read-only, and handled files must leave it"],
  };
  const [reason, why] = known[code ?? ""] ?? ["unavailable", messageOf(error)];
  return new BindingError(reason, `cannot watch the folder ${folder}: ${why}`, {
    effect: "unsent",
    systemCode: code,
    cause: error,
  });
}
