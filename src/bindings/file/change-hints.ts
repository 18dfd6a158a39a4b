import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import type { Folder } from "./folder.ts";

/**
 * What the system says has changed in folders. Only hints: they may be late, missing or wrong, so what is
 * true a look at the folder says.
 */
export class ChangeHints {
  readonly #folder: Folder;
  readonly #onHint: (path: string | undefined) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #failed = false;

  /** `onHint` gets a path relative to the folder, or nothing when anything may have changed. */
  constructor(
    folder: Folder,
    onHint: (path: string | undefined) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#folder = folder;
    this.#onHint = onHint;
    this.#onFailure = onFailure;
  }

  /** Watches a folder by its path relative to the root; one that is watched already stays so. */
  add(path: string): void {
    if (this.#watchers.has(path)) return;
    try {
      const watcher = watch(join(this.#folder.root, path), { persistent: true }, (kind, name) => {
        // The folder itself was moved or deleted: another may take its place, which this one would not see.
        const own = kind === "rename" && (name === null || join(path, name) === path);
        if (own) this.#drop(path);
        this.#onHint(name === null || own ? undefined : join(path, name));
      });
      watcher.on("error", (error) => {
        this.#drop(path);
        this.#fail(error);
        this.#onHint(undefined);
      });
      this.#watchers.set(path, watcher);
    } catch (error) {
      this.#fail(error);
    }
  }

  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.#watchers.keys()) if (!paths.has(path)) this.#drop(path);
  }

  close(): void {
    this.keepOnly(new Set());
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#onFailure(error);
  }
}
