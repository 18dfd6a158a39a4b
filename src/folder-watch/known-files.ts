import type { Sighting } from "./sighting.ts";

/** What became of a file that was handed over. */
type Known = { readonly seen: Sighting; isHandled: boolean };

/**
 * The files of a folder that the app has, or has handled though they are in the folder still. It outlives the
 * connection: a file is no event again because the connection broke before it was put away.
 */
export class KnownFiles {
  readonly #files = new Map<string, Known>();
  /** Puts a handled file away: of the reader that there is now. */
  putAway: ((seen: Sighting) => void) | undefined;

  /** Those of one folder that one component reads. */
  static of(identity: string): KnownFiles {
    const known = byIdentity.get(identity) ?? new KnownFiles();
    byIdentity.set(identity, known);
    return known;
  }

  /** `app`: the app has the file, perhaps as it was before. `handled`: it has handled it as it is. */
  stateOf({ path, version }: Sighting): "app" | "handled" | undefined {
    const known = this.#files.get(path);
    if (known === undefined) return undefined;
    if (!known.isHandled) return "app";
    if (known.seen.version === version) return "handled";
    // Another one has its name.
    this.#files.delete(path);
    return undefined;
  }

  give(seen: Sighting): void {
    this.#files.set(seen.path, { seen, isHandled: false });
  }

  handled(seen: Sighting): void {
    const known = this.#files.get(seen.path);
    if (known !== undefined) known.isHandled = true;
    this.putAway?.(seen);
  }

  /** It is the folder's again, or gone. */
  forget({ path }: Pick<Sighting, "path">): void {
    this.#files.delete(path);
  }

  /** Handled files that are not there any more are put away. */
  keepHandled(present: ReadonlySet<string>): void {
    for (const [path, { isHandled }] of this.#files) {
      if (isHandled && !present.has(path)) this.#files.delete(path);
    }
  }
}

const byIdentity = new Map<string, KnownFiles>();
