import { posix } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import { matches } from "../../folder-watch/name-patterns.ts";
import { numberedName } from "../../folder-watch/numbered-name.ts";
import type { Sighting } from "../../folder-watch/sighting.ts";
import type { Attributes } from "./driver.ts";
import { entriesOf, kindOf } from "./entries.ts";
import { failureOf, isDenied, isFailure, isMissing, RequestFailure } from "./failures.ts";
import type { SftpMetadata } from "./fields.ts";
import { makeFolders, openFile } from "./files.ts";
import { isWithin, locate, type ComponentRoot } from "./locate.ts";
import type { Requests } from "./session.ts";
import { readParts } from "./transfer.ts";

/** More numbers than this behind a name are not tried; it then gets one from the time. */
const mostNumbers = 20;

/** Folders are not followed further down: a server can tell of ever more of them. */
const mostDepth = 64;

export type Walk = {
  /** Told of each file whose name counts. False: no more is wanted. */
  readonly onFile: (seen: Sighting) => boolean;
  readonly onBadName?: (name: string) => void;
  /** Told of a folder below that cannot be read, and is left out. */
  readonly onUnreadable?: (path: string, error: unknown) => void;
};

/** Real paths on the server. */
type Place = { readonly folder: string; readonly processed: string };

/** The watched folder on the server: what is in it, and which of that counts. */
export class RemoteFolder {
  readonly #requests: Requests;
  readonly #root: ComponentRoot;
  readonly #metadata: SftpMetadata;
  /** As the last look has found it. */
  #place: Promise<Place> | undefined;
  #counted: { readonly files: number; readonly at: number } | undefined;

  /** The folder of a component, which need not be there. Throws a `BindingError` for metadata that cannot be. */
  constructor(requests: Requests, root: ComponentRoot, metadata: SftpMetadata) {
    this.#requests = requests;
    this.#root = root;
    this.#metadata = metadata;
    if (metadata.onHandled === "delete") return;
    // As if the root were `/`: where the folders really are, each look finds out.
    const [folder, processed] = [posix.join("/", metadata.folder ?? ""), this.#processedName()];
    const within = isWithin(trimmed(processed), trimmed(folder));
    if (within && (trimmed(processed) === trimmed(folder) || metadata.recursive)) {
      throw new BindingError(
        "invalid_argument",
        "metadata processedFolder must not be the folder itself or have it inside",
      );
    }
  }

  /** As people know it. */
  get name(): string {
    const { rootPath, folder } = this.#metadata;
    return posix.join(rootPath || ".", folder || ".");
  }

  /** Looks through it. Rejects where the folder itself cannot be read. */
  async walk({ onFile, onBadName = () => {}, onUnreadable = () => {} }: Walk): Promise<void> {
    // It may have become another one.
    this.#place = undefined;
    const { folder: top, processed } = await this.#located();
    let files = 0;
    const folders = [""];
    for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
      try {
        const absolute = posix.join(top, path);
        for await (const entries of entriesOf(this.#requests, absolute, onBadName)) {
          for (const { filename, attrs } of entries) {
            const inner = posix.join(path, filename);
            const [counts, enters] = this.#wanted(filename, posix.join(top, inner) === processed);
            if (!counts && !enters) continue;
            const attributes = kindOf(attrs) === undefined ? await this.#lookAt(inner) : attrs;
            const kind = attributes === undefined ? undefined : kindOf(attributes);
            if (kind === "folder" && enters && depthOf(inner) < mostDepth) folders.push(inner);
            else if (kind === "file" && counts && attributes !== undefined) {
              const seen = sighting(inner, attributes);
              // A larger one never becomes an event, and nobody is to wait for it.
              if (seen.size <= this.#metadata.maxSize) files++;
              if (!onFile(seen)) return;
            }
          }
        }
      } catch (error) {
        // A folder below may go while it is read; without the top there is nothing to watch.
        if (path === "" || !(isMissing(error) || isDenied(error) || isFailure(error))) throw error;
        if (!isMissing(error)) onUnreadable(path, error);
      }
    }
    this.#counted = { files, at: performance.now() };
  }

  /** How many files there are that can become events, as a look has found that was not long ago. */
  async count(): Promise<number> {
    const { maxPollInterval } = this.#metadata;
    const last = this.#counted;
    if (last !== undefined && performance.now() - last.at < 2 * maxPollInterval) return last.files;
    await this.walk({ onFile: () => true });
    return this.#counted?.files ?? 0;
  }

  /** Reads a whole file; `undefined` when it is not, or is no more, as it was seen. */
  async read(seen: Sighting): Promise<Uint8Array | undefined> {
    try {
      const path = posix.join((await this.#located()).folder, seen.path);
      await using file = await openFile(this.#requests, path);
      const data = new Uint8Array(seen.size);
      let length = 0;
      for await (const part of readParts(this.#requests, file.handle, seen.size)) {
        data.set(part, length);
        length += part.length;
      }
      const after = sighting(seen.path, await this.#requests.ofHandle(file.handle));
      return length === seen.size && after.version === seen.version ? data : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw failureOf(`error reading file ${seen.path}`, error);
    }
  }

  /**
   * Deletes a handled file, or moves it to where those go; a name that is taken there gets a number. Leaves alone a
   * file that has been written to since it was read.
   */
  async putAway(handled: Sighting): Promise<void> {
    const attributes = await this.#lookAt(handled.path);
    if (attributes === undefined || kindOf(attributes) === "folder") return;
    if (sighting(handled.path, attributes).version !== handled.version) return;
    const { folder, processed } = await this.#located();
    const source = posix.join(folder, handled.path);
    try {
      if (this.#metadata.onHandled === "delete") await this.#requests.removeFile(source);
      else await this.#move(source, posix.join(processed, handled.path));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async #move(source: string, wanted: string): Promise<void> {
    for (let number = 0; ; number++) {
      const target = numberedName(wanted, number < mostNumbers ? number : Date.now());
      // Not every server refuses a name that is taken.
      if (await exists(this.#requests, target)) continue;
      try {
        return await this.#requests.rename(source, target);
      } catch (error) {
        if (isMissing(error) && (await exists(this.#requests, source))) {
          await makeFolders(this.#requests, posix.dirname(target));
          number--;
        } else if (!isFailure(error) || !(await exists(this.#requests, target))) throw error;
      }
    }
  }

  async #lookAt(path: string): Promise<Attributes | undefined> {
    try {
      return await this.#requests.lstat(posix.join((await this.#located()).folder, path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Whether a file of that name counts, and whether a folder of that name is looked through. */
  #wanted(name: string, isProcessed: boolean): readonly [counts: boolean, enters: boolean] {
    const { include, ignore, recursive } = this.#metadata;
    if (matches(name, ignore)) return [false, false];
    return [matches(name, include), recursive && !isProcessed];
  }

  #processedName(): string {
    const { folder, processedFolder } = this.#metadata;
    return posix.resolve("/", folder ?? "", processedFolder);
  }

  #located(): Promise<Place> {
    this.#place ??= this.#locate();
    // What cannot be found now may be later.
    this.#place.catch(() => (this.#place = undefined));
    return this.#place;
  }

  async #locate(): Promise<Place> {
    const root = await this.#root.path(this.#requests);
    const { folder, onHandled } = this.#metadata;
    return {
      folder: await locate(this.#requests, root, folder || "."),
      processed:
        onHandled === "delete" ? "" : await locate(this.#requests, root, this.#processedName()),
    };
  }
}

function sighting(path: string, { size = 0, mtime = 0 }: Attributes): Sighting {
  return { path, version: `${size}:${mtime}`, size, modified: BigInt(mtime) * 1_000_000_000n };
}

async function exists(requests: Requests, path: string): Promise<boolean> {
  try {
    await requests.lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function depthOf(path: string): number {
  return path.split("/").length;
}

function trimmed(path: string): string {
  return path.replace(/(.)\/$/, "$1");
}

/** Why the folder cannot be listed, where that may change while the connection stays. */
export function whyNotListed(name: string, error: unknown): string | undefined {
  if (isMissing(error))
    return `the folder ${name} does not exist on the server; make it, or correct metadata folder`;
  const isSaid = error instanceof RequestFailure || error instanceof BindingError;
  if (!isSaid || error.effect !== "rejected") return undefined;
  return `the folder ${name} cannot be listed: ${messageOf(error)}`;
}
