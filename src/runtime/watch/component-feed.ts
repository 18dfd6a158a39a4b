import { isDeepStrictEqual } from "node:util";
import { clock } from "../../clock.ts";
import type { DeadLetterTotal, StoreState } from "../../store/store.ts";
import type { ComponentStatus } from "../status.ts";
import type { Sample, Sampler } from "./sampler.ts";

export type ComponentFeedOptions = {
  readonly components: () => readonly ComponentStatus[];
  /** Rises with each reload that changed something. */
  readonly revision: () => number;
  readonly sampler: Sampler;
  /** Absent: there are no durable records. */
  readonly store?: StoreState | undefined;
  /** Counts the dead letters. Absent: there are none. */
  readonly totals?: (() => Promise<readonly DeadLetterTotal[]>) | undefined;
};

/** What has changed since a watcher was told before. */
export type ComponentChanges = {
  /** In milliseconds since 1970. */
  readonly at: number;
  /** All there is, and what it does not name is not there any more. */
  readonly complete: boolean;
  readonly components: readonly ComponentStatus[];
  /** The names of those that are gone. */
  readonly removed: readonly string[];
  /** By component; 0: it has none any more. */
  readonly deadLetters: ReadonlyMap<string, number>;
  /** By component, of those that did or hold something. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
  readonly storeTrouble: string;
  readonly revision: number;
};

type Noted<Value> = { readonly value: Value; readonly version: number };

/** Looked at again after so many milliseconds at the earliest, for however many watchers. */
const freshness = 100;
/** So many names that are gone are remembered; who has not heard of one that was forgotten is told everything again. */
const mostGone = 1_000;
/** Dead letters are counted again once something happened to one, and after so many milliseconds. */
const countingAgain = 10_000;
/** How long the first answer to a watcher waits for them to be counted, in milliseconds. */
const firstCount = 500;

/**
 * The components as they change, for any number of watchers. What has changed is found once for all of them, and only while
 * there are any; a watcher is a number, so that one who reads slowly is told the newest state and nothing waits for him.
 */
export class ComponentFeed {
  readonly #options: ComponentFeedOptions;
  readonly #components = new Map<string, Noted<ComponentStatus>>();
  readonly #gone = new Map<string, number>();
  readonly #deadLetters = new Map<string, Noted<number>>();
  #version = 1;
  /** Of what was gone before this version no name is remembered. */
  #forgotten = 0;
  #general: Noted<{ storeTrouble: string; revision: number }> = {
    value: { storeTrouble: "", revision: 0 },
    version: 0,
  };
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #watchers = 0;
  #counting: Promise<void> | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;
  #countedEnds = -1;

  constructor(options: ComponentFeedOptions) {
    this.#options = options;
  }

  /** Begins to watch. `samples`: the first changes have those of the last minutes. Dispose of it at the end. */
  watch({ samples }: { readonly samples: boolean }): ComponentWatch {
    this.#watchers++;
    const use = this.#options.sampler.use();
    const end = (): void => {
      use[Symbol.dispose]();
      if (--this.#watchers === 0) this.#forget();
    };
    const { taken } = this.#options.sampler;
    return new ComponentWatch((seen) => this.#since(seen), {
      ...{ end, taken: samples ? 0 : taken },
      counted: () => this.#firstCount(),
    });
  }

  #since({ version, taken }: Seen): { changes: ComponentChanges | undefined; seen: Seen } {
    this.#refresh();
    const { sampler } = this.#options;
    const seen = { version: this.#version, taken: sampler.taken };
    const isNew = (noted: { readonly version: number }): boolean => noted.version > version;
    const complete = version <= this.#forgotten;
    const hasChanged = complete || seen.version > version || seen.taken > taken;
    if (!hasChanged) return { changes: undefined, seen };
    const samples = new Map<string, readonly Sample[]>();
    for (const name of this.#components.keys()) {
      const newest = seen.taken > taken ? sampler.of(name, taken) : [];
      if (newest.some(saysSomething)) samples.set(name, newest);
    }
    const changes = {
      ...{ at: clock.now(), complete, samples, ...this.#general.value },
      components: [...this.#components.values()]
        .filter((noted) => complete || isNew(noted))
        .map(({ value }) => value),
      removed: complete ? [] : [...this.#gone].flatMap(([name, at]) => (at > version ? name : [])),
      deadLetters: new Map(
        [...this.#deadLetters]
          .filter(([, noted]) => (complete ? noted.value > 0 : isNew(noted)))
          .map(([name, { value }]) => [name, value] as const),
      ),
    };
    return { changes, seen };
  }

  #refresh(): void {
    const now = clock.elapsed();
    if (now - this.#refreshedAt < freshness) return;
    this.#refreshedAt = now;
    const version = this.#version + 1;
    const statuses = this.#options.components();
    const names = new Set<string>();
    let ends = 0;
    for (const value of statuses) {
      const { name, endedOtherwise } = value;
      names.add(name);
      ends += endedOtherwise["dead letter"];
      this.#gone.delete(name);
      if (isDeepStrictEqual(this.#components.get(name)?.value, value)) continue;
      this.#components.set(name, { value, version });
      this.#version = version;
    }
    for (const name of this.#components.keys()) {
      if (names.has(name)) continue;
      this.#components.delete(name);
      this.#gone.set(name, version);
      this.#version = version;
    }
    for (const [name, at] of this.#gone) {
      if (this.#gone.size <= mostGone) break;
      this.#gone.delete(name);
      this.#forgotten = Math.max(this.#forgotten, at);
    }
    const storeTrouble = this.#options.store?.trouble ?? "";
    const revision = this.#options.revision();
    const general = this.#general.value;
    if (general.storeTrouble !== storeTrouble || general.revision !== revision) {
      this.#general = { value: { storeTrouble, revision }, version };
      this.#version = version;
    }
    this.#count(ends);
  }

  #count(ends: number): void {
    const { totals } = this.#options;
    if (totals === undefined || this.#counting !== undefined) return;
    const age = clock.elapsed() - this.#countedAt;
    if (age < countingAgain && (ends === this.#countedEnds || age < 1_000)) return;
    this.#countedAt = clock.elapsed();
    this.#countedEnds = ends;
    // While they cannot be counted the last counts stay; the store tells of its trouble itself.
    this.#counting = totals()
      .then((all) => this.#counted(all))
      .catch(() => undefined)
      .finally(() => (this.#counting = undefined));
  }

  #counted(totals: readonly DeadLetterTotal[]): void {
    const version = this.#version + 1;
    const counts = new Map(totals.map(({ component, count }) => [component, count]));
    for (const [name, { value }] of this.#deadLetters) {
      if (!counts.has(name) && value > 0) counts.set(name, 0);
      else if (value === 0 && !this.#components.has(name)) this.#deadLetters.delete(name);
    }
    for (const [name, value] of counts) {
      if (this.#deadLetters.get(name)?.value === value) continue;
      this.#deadLetters.set(name, { value, version });
      this.#version = version;
    }
  }

  /** Resolves once the dead letters are counted for the first time, or that takes too long. */
  async #firstCount(): Promise<void> {
    this.#refresh();
    if (this.#counting === undefined) return;
    const late = Promise.withResolvers<void>();
    const timer = clock.setTimeout(late.resolve, firstCount);
    await Promise.race([this.#counting, late.promise]);
    clock.clearTimeout(timer);
  }

  /** Nobody watches: the next who does is told everything. */
  #forget(): void {
    this.#forgotten = this.#version++;
    this.#components.clear();
    this.#gone.clear();
    this.#deadLetters.clear();
    this.#refreshedAt = Number.NEGATIVE_INFINITY;
    this.#countedAt = Number.NEGATIVE_INFINITY;
  }
}

/** How much a watcher knows. */
type Seen = { readonly version: number; readonly taken: number };

type Since = (seen: Seen) => { changes: ComponentChanges | undefined; seen: Seen };

type WatchOptions = {
  readonly taken: number;
  readonly end: () => void;
  readonly counted: () => Promise<void>;
};

/** One who watches. */
export class ComponentWatch implements Disposable {
  readonly #since: Since;
  readonly #options: WatchOptions;
  #seen: Seen;
  #isOver = false;

  constructor(since: Since, options: WatchOptions) {
    this.#since = since;
    this.#options = options;
    this.#seen = { version: 0, taken: options.taken };
  }

  /** Everything, once it is known. */
  async begin(): Promise<ComponentChanges | undefined> {
    await this.#options.counted();
    return this.next();
  }

  /** What has changed since the time before; `undefined`: nothing. */
  next(): ComponentChanges | undefined {
    const { changes, seen } = this.#since(this.#seen);
    this.#seen = seen;
    return changes;
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.end();
  }
}

function saysSomething(sample: Sample): boolean {
  const { attempts, invocations, inFlight, backlog = 0 } = sample;
  return attempts > 0 || invocations > 0 || inFlight > 0 || backlog > 0;
}
