import { watch, type BigIntStats, type FSWatcher } from "node:fs";
import { readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import type { Logger } from "../binding.ts";
import { lookAt, readNames, statOf } from "../regular-file.ts";

export type WatchOptions = {
  /** What counts, at each look. It need not be there. */
  readonly paths: () => readonly WatchedPath[];
  readonly onChange: () => void;
  readonly logger: Pick<Logger, "warn">;
};

/**
 * A file; or a folder, of which the YAML files count, as they are resources, or, where it holds `secrets`, all
 * files, also those one folder deeper.
 */
export type WatchedPath = { readonly path: string; readonly holds: "resources" | "secrets" };

/** Milliseconds without a further change before one is told; so a file is seldom seen half-written. */
const quiet = 100;
/** The longest that changes which go on and on are kept back. */
const longest = 1000;
/** How often all is looked at even without a hint: network folders send none. */
const lookEvery = 10_000;
/** The same while something cannot be watched, as it is not there yet. */
const lookOften = 1000;

/**
 * Tells when something at paths has changed: files written in place or replaced, links that point elsewhere (so
 * Kubernetes changes what it mounts), folders that appear or go. The system's notices only say when to look;
 * what counts is that something looks different.
 */
export class ResourceWatcher {
  readonly #options: WatchOptions;
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly inode: string }>();
  /** In parents only these names count; absent: all do. */
  #names = new Map<string, Set<string> | undefined>();
  #seen: ReadonlyMap<string, string> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #firstHint: number | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #closed = false;
  #failed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Takes what is there now as known, and begins. */
  async start(): Promise<void> {
    const { texts, folders } = await look(this.#options.paths());
    this.#seen = texts;
    if (this.#closed) return;
    await this.#watch(folders);
    this.#later();
  }

  /** Looks at once at what has become one of the paths, not only when it is time. */
  pathsChanged(): void {
    if (!this.#closed) void this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #hint(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#firstHint ??= now;
    this.#after(Math.max(0, Math.min(quiet, this.#firstHint + longest - now)));
  }

  #later(): void {
    const complete = [...this.#names.keys()].every((folder) => this.#watchers.has(folder));
    this.#after(complete ? lookEvery : lookOften);
  }

  #after(milliseconds: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), milliseconds);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#firstHint = undefined;
    this.#lookAgain = true;
    this.#looking ??= (async () => {
      while (this.#lookAgain && !this.#closed) {
        this.#lookAgain = false;
        const { texts, folders } = await look(this.#options.paths());
        // What is at a new path may have changed since it was read, and counts as a change.
        const changed = [...texts].some(([path, text]) => this.#seen.get(path) !== text);
        this.#seen = texts;
        if (this.#closed) return;
        await this.#watch(folders);
        if (changed) this.#options.onChange();
      }
    })().finally(() => (this.#looking = undefined));
    await this.#looking;
    if (this.#firstHint === undefined) this.#later();
  }

  async #watch(folders: ReadonlyMap<string, Set<string> | undefined>): Promise<void> {
    this.#names = new Map(folders);
    for (const folder of this.#watchers.keys()) if (!folders.has(folder)) this.#drop(folder);
    for (const folder of folders.keys()) {
      const inode = await inodeOf(folder);
      // One that was replaced by another of its name sends no more notices.
      if (this.#watchers.get(folder)?.inode === inode || this.#closed) continue;
      this.#drop(folder);
      if (inode !== undefined) this.#add(folder, inode);
    }
  }

  #add(folder: string, inode: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        const names = this.#names.get(folder);
        if (name === null || names === undefined || names.has(name)) this.#hint();
      });
      watcher.on("error", (error) => {
        this.#drop(folder);
        this.#fail(folder, error);
        this.#hint();
      });
      this.#watchers.set(folder, { watcher, inode });
    } catch (error) {
      this.#fail(folder, error);
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.watcher.close();
    this.#watchers.delete(folder);
  }

  #fail(folder: string, error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    const facts = { folder, reason: messageOf(error) };
    this.#options.logger.warn(
      facts,
      "the system does not report file changes; polling each second",
    );
  }
}

type Look = {
  /** What is at each path, as a text that differs when something does. */
  readonly texts: ReadonlyMap<string, string>;
  /** The folders of which the system should tell; with the names that count, where not all do. */
  readonly folders: ReadonlyMap<string, Set<string> | undefined>;
};

async function look(paths: readonly WatchedPath[]): Promise<Look> {
  const texts = new Map<string, string>();
  const folders = new Map<string, Set<string> | undefined>();
  const addName = (folder: string, name: string): void => {
    if (folders.has(folder)) folders.get(folder)?.add(name);
    else folders.set(folder, new Set([name]));
  };
  for (const { path, holds } of paths) {
    const absolute = resolve(path);
    const parent = dirname(absolute);
    texts.set(
      absolute,
      (await visit({ path: absolute, holds }, absolute, 0, folders, addName)).join("\n"),
    );
    // It may come, go, or be another one's name; so may the folder above it.
    addName(parent, basename(absolute));
    if ((await inodeOf(parent)) === undefined) addName(dirname(parent), basename(parent));
  }
  return { texts, folders };
}

async function visit(
  root: WatchedPath,
  path: string,
  depth: number,
  folders: Map<string, Set<string> | undefined>,
  addName: (folder: string, name: string) => void,
): Promise<string[]> {
  const secrets = root.holds === "secrets";
  const stats = (): Promise<BigIntStats> => stat(path, { bigint: true });
  const found = await lookAt(root.path, stats).catch(() => undefined);
  if (found === undefined) return [];
  const line = `${path} ${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`;
  if (!found.isDirectory()) {
    // What a link leads to may be changed where it is.
    const real = await lookAt(root.path, () => realpath(path)).catch(() => path);
    if (dirname(real) !== dirname(path)) addName(dirname(real), basename(real));
    await lookAt(root.path, () => addLinks(path, addName)).catch(() => {});
    return [line];
  }
  if (depth > (secrets ? 1 : 0)) return [];
  folders.set(path, undefined);
  const lines = [`${path} ${found.dev}:${found.ino}`];
  for (const name of await readNames(path, root.path).catch((): string[] => [])) {
    const counts = !name.startsWith(".") && (secrets || /\.ya?ml$/i.test(name));
    if (counts) lines.push(...(await visit(root, join(path, name), depth + 1, folders, addName)));
  }
  return lines;
}

/** A link on the way, and the folder that it leads through, may be replaced by another: Kubernetes swaps the folder. */
async function addLinks(
  path: string,
  addName: (folder: string, name: string) => void,
  left = 8,
): Promise<void> {
  const target = await readlink(path).catch(() => undefined);
  if (target === undefined || left === 0) return;
  const next = resolve(dirname(path), target);
  const folder = dirname(next);
  addName(folder, basename(next));
  if (folder !== dirname(path)) addName(dirname(folder), basename(folder));
  await addLinks(next, addName, left - 1);
}

async function inodeOf(folder: string): Promise<string | undefined> {
  const found = await statOf(folder).catch(() => undefined);
  return found?.isDirectory() ? `${found.dev}:${found.ino}` : undefined;
}
