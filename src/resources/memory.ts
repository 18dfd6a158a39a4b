import { resolve, sep } from "node:path";
import type { Source } from "./source.ts";

/** What loading resources remembers from one time to the next, so that a reload can keep what a file defined. */
export class ResourceMemory {
  /** The UUIDs drawn for templates, by component and property. */
  readonly uuids = new Map<string, string[]>();
  /** The files' texts, by path, as they could last be read and parsed. */
  #good = new Map<string, Source>();
  #next = new Map<string, Source>();
  /** The files that defined components, by name. */
  #homes = new Map<string, string>();

  /** The file as it could last be parsed. */
  lastGood(file: string): Source | undefined {
    return this.#good.get(resolve(file));
  }

  /** The files at a path, or in the folder there, as they could last be parsed. */
  lastGoodAt(path: string): Source[] {
    const root = resolve(path);
    return [...this.#good].flatMap(([file, source]) =>
      file === root || file.startsWith(root + sep) ? [source] : [],
    );
  }

  /** Notes what a file counts as this time. */
  keep(source: Source): void {
    this.#next.set(resolve(source.file), source);
  }

  /** Where a component of this name was defined the last time. */
  homeOf(component: string): string | undefined {
    return this.#homes.get(component);
  }

  /** Whether the file defined components the last time. */
  isHome(file: string): boolean {
    return [...this.#homes.values()].includes(file);
  }

  /** All files were read: what was not kept is forgotten. */
  turnOver(homes: ReadonlyMap<string, string>): void {
    this.#good = this.#next;
    this.#next = new Map();
    this.#homes = new Map(homes);
  }
}
