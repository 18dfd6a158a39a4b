import { delay } from "../delay.ts";
import { messageOf } from "../errors.ts";
import { KnownFiles } from "../folder-watch/known-files.ts";
import type { Logger } from "../logger.ts";
import { assuredBytes, type MemoryShare } from "../memory/budget.ts";
import type { InboundEvent, Reader, Settlement } from "../reading.ts";
import { objectEvent, type ListedObject } from "./object.ts";
import { isMoved, type OnHandled } from "./on-handled.ts";

/** What a listing needs of a store. Each rejects with a `BindingError`, and none repeats anything. */
export type ObjectStore = {
  /** One page of the objects below the prefix. `page`: what the page before said is `next`; `undefined`: the first. */
  list(page: string | undefined, signal: AbortSignal): Promise<ObjectPage>;
  /** The object's bytes; `undefined`: it is not any more as it was listed. */
  read(object: ListedObject, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Deletes, moves or tags the object if it still is as it was listed; resolves as well if it is not. */
  putAway(object: ListedObject, signal: AbortSignal): Promise<void>;
  /** Whether a listed object was put away by a tag, where the listing itself leaves none of those out. */
  isPutAway?(object: ListedObject, signal: AbortSignal): Promise<boolean>;
};

export type ObjectPage = {
  readonly objects: readonly ListedObject[];
  readonly next: string | undefined;
};

export type ListingOptions = {
  readonly store: ObjectStore;
  /** Stays the same when the component is opened again: its name and what it lists. */
  readonly identity: string;
  readonly onHandled: OnHandled;
  /** The pause between two listings, in milliseconds. */
  readonly pollInterval: number;
  /** The most bytes of an object that come with its event. */
  readonly inlineLimit: number;
  readonly logger: Logger;
  readonly memory: MemoryShare;
  readonly deliver: (events: readonly InboundEvent[]) => Promise<void>;
  readonly lost: (reason: unknown) => void;
  readonly report?: ((condition: string, stalled: boolean) => void) | undefined;
};

/** When a returned object comes again, and when one that could not be put away is tried again. Milliseconds. */
const tryAgainAfter = 5_000;
/** Objects whose bytes are read side by side, and objects that are put away so. */
const mostAtOnce = 8;
/** Handled objects that may wait to be put away; beyond that no more are handed over. */
const mostWaiting = 64;
/** A store that refuses ever more does not fill the log. */
const mostWarnings = 1_000;
const requestLimit = 60_000;
const shortPause = 20;

/** Lists a bucket again and again, and hands over each object until it was handled and put away. */
export class ListingReader implements Reader {
  readonly #options: ListingOptions;
  readonly #known: KnownFiles;
  readonly #putAwayHere: (seen: { readonly path: string }) => void;
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** What was listed and is not put away yet, by key. */
  readonly #held = new Map<string, ListedObject>();
  readonly #waiting = new Set<ListedObject>();
  readonly #putting = new Map<string, Promise<void>>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** When a returned object may come again, as `performance.now()` counts, by key. */
  readonly #notBefore = new Map<string, number>();
  /** Versions that were found to be put away already, by key. */
  #tagged = new Map<string, string>();
  /** Versions that were put away since the listing began, which may still show them, by key. */
  readonly #gone = new Map<string, string>();
  readonly #warned = new Set<string>();
  #whyNotPutAway = "";

  constructor(options: ListingOptions) {
    this.#options = options;
    this.#known = KnownFiles.of(options.identity);
    this.#putAwayHere = ({ path }) => {
      const object = this.#held.get(path);
      if (object !== undefined) this.#putAway(object);
    };
    this.#known.putAway = this.#putAwayHere;
    this.#running = this.#run();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when the handled objects are put away, as far as it can be done now. */
  async flush(): Promise<void> {
    while (this.#putting.size + this.#waiting.size > 0) await Promise.race(this.#putting.values());
  }

  async close(): Promise<void> {
    this.stop();
    await this.#running;
    await this.flush();
    this.#closing.abort();
    if (this.#known.putAway === this.#putAwayHere) this.#known.putAway = undefined;
    for (const timer of this.#retries) clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#listAll();
      } catch (error) {
        if (!signal.aborted) this.#options.lost(error);
        return;
      }
      await delay(this.#options.pollInterval, signal);
    }
  }

  async #listAll(): Promise<void> {
    const { store, onHandled } = this.#options;
    const { signal } = this.#stopping;
    const listed = new Set<string>();
    const tagged = new Map<string, string>();
    this.#gone.clear();
    let page: string | undefined;
    do {
      const { objects, next } = await store.list(page, this.#limited());
      const found: ListedObject[] = [];
      for (const object of objects) {
        listed.add(object.path);
        if (!isMoved(onHandled, object.path) && this.#isDue(object)) found.push(object);
      }
      for (let index = 0; index < found.length && !signal.aborted; index += mostAtOnce) {
        await this.#putAwayMost();
        await this.#deliver(found.slice(index, index + mostAtOnce), tagged);
      }
      page = next;
    } while (page !== undefined && !signal.aborted);
    if (signal.aborted) return;
    // Of what is gone nothing is kept.
    this.#known.keepHandled(listed);
    this.#tagged = tagged;
    for (const key of this.#notBefore.keys()) if (!listed.has(key)) this.#notBefore.delete(key);
  }

  /** Resolves when few handled objects wait to be put away: however many come, no more are handled twice after a restart. */
  async #putAwayMost(): Promise<void> {
    const { signal } = this.#stopping;
    const { report } = this.#options;
    const pending = (): number => this.#putting.size + this.#waiting.size + this.#retries.size;
    if (pending() <= mostWaiting) return;
    while (pending() > mostWaiting && !signal.aborted) {
      if (this.#retries.size > 0)
        report?.(`handled objects cannot be put away: ${this.#whyNotPutAway}`, true);
      await delay(shortPause, signal);
    }
    report?.("", false);
  }

  #isDue(object: ListedObject): boolean {
    const state = this.#known.stateOf(object);
    // An earlier reader of this component may have handed it over.
    if (state !== undefined) this.#held.set(object.path, object);
    if (state === "handled") this.#putAway(object);
    if (state !== undefined || this.#gone.get(object.path) === object.version) return false;
    return performance.now() >= (this.#notBefore.get(object.path) ?? 0);
  }

  async #deliver(objects: readonly ListedObject[], tagged: Map<string, string>): Promise<void> {
    const room = this.#options.memory.open(assuredBytes);
    try {
      const events = await Promise.all(
        objects.map(async (object) => {
          if (await this.#isTagged(object, tagged)) return undefined;
          if (object.size > this.#options.inlineLimit) return { object, content: undefined };
          // Without room, or changed meanwhile, it comes with a later listing.
          if (!room.reserve(object.size)) return undefined;
          const content = await this.#options.store.read(object, this.#limited());
          if (content === undefined) return undefined;
          return { object, content };
        }),
      );
      const wanted = events.filter((event) => event !== undefined);
      if (this.#stopping.signal.aborted || wanted.length === 0) return;
      for (const { object } of wanted) {
        this.#known.give(object);
        this.#held.set(object.path, object);
        this.#notBefore.delete(object.path);
      }
      room.release();
      await this.#options.deliver(
        wanted.map(({ object, content }) =>
          objectEvent(object.reference, content, (settlement) => this.#settle(object, settlement)),
        ),
      );
    } finally {
      room.release();
    }
  }

  async #isTagged(object: ListedObject, tagged: Map<string, string>): Promise<boolean> {
    const { store } = this.#options;
    if (store.isPutAway === undefined) return false;
    const isPutAway =
      this.#tagged.get(object.path) === object.version ||
      (await store.isPutAway(object, this.#limited()));
    if (isPutAway) tagged.set(object.path, object.version);
    return isPutAway;
  }

  #settle(object: ListedObject, settlement: Settlement): void {
    if (settlement.outcome === "handled") return this.#known.handled(object);
    this.#known.forget(object);
    this.#held.delete(object.path);
    const after = settlement.after ?? (settlement.unattempted === true ? 0 : tryAgainAfter);
    this.#notBefore.set(object.path, performance.now() + after);
  }

  /** It is held until it is put away: handled once, it must not be an event again. */
  #putAway(object: ListedObject): void {
    const { path } = object;
    if (this.#putting.has(path) || this.#closing.signal.aborted) return;
    if (this.#putting.size >= mostAtOnce) {
      this.#waiting.add(object);
      return;
    }
    this.#waiting.delete(object);
    const putting = this.#options.store
      .putAway(object, AbortSignal.timeout(requestLimit))
      .then(() => {
        this.#known.forget(object);
        this.#held.delete(path);
        this.#gone.set(path, object.version);
        this.#warned.delete(path);
      })
      .catch((error: unknown) => this.#putAwayLater(object, error))
      .finally(() => {
        this.#putting.delete(path);
        const [next] = this.#waiting;
        if (next === undefined) return;
        this.#waiting.delete(next);
        this.#putAway(next);
      });
    this.#putting.set(path, putting);
  }

  #putAwayLater(object: ListedObject, error: unknown): void {
    this.#whyNotPutAway = messageOf(error);
    if (!this.#warned.has(object.path) && this.#warned.size < mostWarnings) {
      this.#warned.add(object.path);
      this.#options.logger.warn(
        { key: object.path, reason: messageOf(error) },
        "a handled object cannot be put away; it is tried again",
      );
    }
    if (this.#closing.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.#putAway(object);
    }, tryAgainAfter);
    this.#retries.add(timer);
  }

  #limited(): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(requestLimit)]);
  }
}
