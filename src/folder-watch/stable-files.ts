import type { Sighting } from "./sighting.ts";

type Unstable = { readonly seen: Sighting; readonly due: number };

/**
 * Which files have been unchanged long enough, and which are taken. Each file is in one of three states:
 * not yet stable, held by somebody who works with it, or left as it is until it changes.
 *
 * Times are milliseconds of a clock that never goes back.
 */
export class StableFiles {
  readonly #quietTime: number;
  readonly #unstable = new Map<string, Unstable>();
  readonly #held = new Set<string>();
  readonly #left = new Map<string, string>();

  constructor(quietTime: number) {
    this.#quietTime = quietTime;
  }

  /** Notes a file as it is now. A change restarts its quiet time; what happens to a held one is seen later. */
  see(seen: Sighting, now: number): void {
    const { path, version } = seen;
    if (this.#held.has(path) || this.#left.get(path) === version) return;
    this.#left.delete(path);
    if (this.#unstable.get(path)?.seen.version === version) return;
    this.#unstable.set(path, { seen, due: now + this.#quietTime });
  }

  /** The file is not there any more. */
  forget(path: string): void {
    this.#unstable.delete(path);
    this.#left.delete(path);
  }

  /** Forgets all that is not among the paths. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of [...this.#unstable.keys(), ...this.#left.keys()]) {
      if (!paths.has(path)) this.forget(path);
    }
  }

  /** Takes the files that are stable, oldest first; each is held until it is released or left. */
  take(now: number): Sighting[] {
    const stable: Sighting[] = [];
    for (const [path, { seen, due }] of this.#unstable) {
      if (due > now) continue;
      this.#unstable.delete(path);
      this.#held.add(path);
      stable.push(seen);
    }
    return stable.sort((a, b) =>
      a.modified === b.modified ? (a.path < b.path ? -1 : 1) : a.modified < b.modified ? -1 : 1,
    );
  }

  /** Holds it no more: the next sighting restarts its quiet time. */
  release(path: string): void {
    this.#held.delete(path);
  }

  /** Holds it no more, and takes it again at `due` unless it changes before. */
  takeAgain(seen: Sighting, due: number): void {
    this.#held.delete(seen.path);
    this.#unstable.set(seen.path, { seen, due });
  }

  /** Holds it no more, and takes it again only once it has changed. */
  leave({ path, version }: Sighting): void {
    this.#held.delete(path);
    this.#left.set(path, version);
  }

  /** When the next file will be stable; `undefined`: none is waiting. */
  get nextDue(): number | undefined {
    let next: number | undefined;
    for (const { due } of this.#unstable.values()) {
      if (next === undefined || due < next) next = due;
    }
    return next;
  }
}
