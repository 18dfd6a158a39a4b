import type { Sighting } from "./folder.ts";

type Resting = { readonly seen: Sighting; readonly due: number };

/**
 * Which files have rested long enough, and which are taken. Each file is in one of three states:
 * resting, held by somebody who works with it, or left as it is until it changes.
 *
 * Times are milliseconds of a clock that never goes back.
 */
export class RestingFiles {
  readonly #quietTime: number;
  readonly #resting = new Map<string, Resting>();
  readonly #held = new Set<string>();
  readonly #left = new Map<string, string>();

  constructor(quietTime: number) {
    this.#quietTime = quietTime;
  }

  /** Notes a file as it is now. A change makes it rest anew; what happens to a held one is seen later. */
  see(seen: Sighting, now: number): void {
    const { path, version } = seen;
    if (this.#held.has(path) || this.#left.get(path) === version) return;
    this.#left.delete(path);
    if (this.#resting.get(path)?.seen.version === version) return;
    this.#resting.set(path, { seen, due: now + this.#quietTime });
  }

  /** The file is not there any more. */
  forget(path: string): void {
    this.#resting.delete(path);
    this.#left.delete(path);
  }

  /** Forgets all that is not among the paths. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of [...this.#resting.keys(), ...this.#left.keys()]) {
      if (!paths.has(path)) this.forget(path);
    }
  }

  /** Takes the files that have rested, oldest first; each is held until it is released or left. */
  take(now: number): Sighting[] {
    const rested: Sighting[] = [];
    for (const [path, { seen, due }] of this.#resting) {
      if (due > now) continue;
      this.#resting.delete(path);
      this.#held.add(path);
      rested.push(seen);
    }
    return rested.sort(
      (a, b) => a.modified.getTime() - b.modified.getTime() || (a.path < b.path ? -1 : 1),
    );
  }

  /** Holds it no more: the next sighting makes it rest again. */
  release(path: string): void {
    this.#held.delete(path);
  }

  /** Holds it no more, and takes it again at `due` unless it changes before. */
  takeAgain(seen: Sighting, due: number): void {
    this.#held.delete(seen.path);
    this.#resting.set(seen.path, { seen, due });
  }

  /** Holds it no more, and takes it again only once it has changed. */
  leave({ path, version }: Sighting): void {
    this.#held.delete(path);
    this.#left.set(path, version);
  }

  /** When the next file will have rested; `undefined`: none rests. */
  get nextDue(): number | undefined {
    let next: number | undefined;
    for (const { due } of this.#resting.values()) {
      if (next === undefined || due < next) next = due;
    }
    return next;
  }
}
