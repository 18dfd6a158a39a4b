import { createHash } from "node:crypto";
import type { Checkpoint } from "../checkpoints.ts";

/** So many events may be known behind the place where reading would begin anew; a reader waits then. */
export const mostKnown = 10_000;

/** An event of a feed, and what is known of it. */
export type FeedItem = { readonly key: string; state: "with the app" | "handled" | "returned" };

/** A place where reading can begin anew, behind all events before it. */
type Mark = { readonly at: string };

/** As it is stored. */
type Position = { readonly at?: string; readonly handled: readonly string[] };

/**
 * How far a feed was handled: a place where it can be read from anew (a cursor, the id of an event), and which events
 * behind that are handled already. So those that were handled before an earlier one do not come again after a restart.
 *
 * An event is known by its key, which it has again when it is read again from the same place.
 */
export class Progress {
  readonly #checkpoint: Checkpoint;
  #at: string | undefined;
  /** In the order of the source, behind `#at`. */
  #entries: (FeedItem | Mark)[] = [];
  /** How many of them, from the first, are marks or handled. */
  #done = 0;
  /** How many of them, from the first, end with the last mark that is done. */
  #passed = 0;
  readonly #items = new Map<string, FeedItem>();
  /** Handled by an earlier process, and not met again yet. */
  readonly #handledBefore: Set<string>;
  /** How many of them are returned. */
  #returned = 0;
  /** Events that were met for the first time. */
  #met = 0;
  #unkept = false;
  #soon: NodeJS.Immediate | undefined;
  #wake: (() => void) | undefined;
  /** Nothing is stored while this is true: the beginning of the feed is not found yet. */
  holdsBack = false;

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    const { at, handled } = parsed(checkpoint.position);
    this.#at = at;
    this.#handledBefore = new Set(handled);
  }

  /** The feed is read for the first time. */
  get isNew(): boolean {
    return this.#checkpoint.position === undefined;
  }

  /** Where reading begins anew; `undefined`: where the source begins. */
  get at(): string | undefined {
    return this.#at;
  }

  /** How many events are known behind {@link Progress.at}. */
  get size(): number {
    return this.#items.size + this.#handledBefore.size;
  }

  /** The event, to be delivered; `undefined`: it is handled, or the app has it. */
  take(key: string): FeedItem | undefined {
    const known = this.#items.get(key);
    if (known !== undefined) {
      if (known.state !== "returned") return undefined;
      this.#returned--;
      known.state = "with the app";
      return known;
    }
    if (this.#handledBefore.delete(key)) {
      this.#add({ key, state: "handled" });
      this.#advance();
      return undefined;
    }
    // What was not met among so many has gone from the source.
    if (++this.#met > mostKnown) this.#handledBefore.clear();
    return this.#add({ key, state: "with the app" });
  }

  /** Counts an event as handled that is not to be delivered. */
  skip(key: string): void {
    const item = this.take(key);
    if (item !== undefined) this.handled(item);
  }

  /** Behind the last event that was taken, reading can begin anew at this place. */
  mark(at: string): void {
    this.#entries.push({ at });
    this.#advance();
  }

  handled(item: FeedItem): void {
    item.state = "handled";
    this.#unkept = true;
    this.#advance();
  }

  /** It is to be delivered again when it is read again: from {@link Progress.at} on. */
  returned(item: FeedItem): void {
    item.state = "returned";
    this.#returned++;
    this.#wake?.();
  }

  /** The feed is read again from {@link Progress.at} on, and marks come again. */
  rewind(): void {
    this.#arrange((entry) => "key" in entry);
  }

  /** Forgets what is handled and has gone from the source. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#handledBefore) if (!keys.has(key)) this.#forget(key);
    for (const { key, state } of this.#items.values())
      if (state === "handled" && !keys.has(key)) this.#forget(key);
    this.#arrange((one) => !("key" in one) || this.#items.has(one.key));
  }

  /** The beginning is known, though nothing may be handled: it is stored. */
  begun(): void {
    this.holdsBack = false;
    this.#unkept = true;
    this.#keepSoon();
  }

  /**
   * Resolves to whether less than {@link mostKnown} events are known: true once that is so, false where it cannot come
   * about before the feed is read anew, since an event was returned.
   */
  async hasRoom(): Promise<boolean> {
    while (this.size >= mostKnown) {
      if (this.#returned > 0) return false;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return true;
  }

  /** Resolves once the store has what was handled so far. */
  async flush(): Promise<void> {
    this.#keep();
    await this.#checkpoint.flush();
  }

  #add(item: FeedItem): FeedItem {
    this.#items.set(item.key, item);
    this.#entries.push(item);
    return item;
  }

  #arrange(stays: (entry: FeedItem | Mark) => boolean): void {
    this.#entries = this.#entries.filter(stays);
    this.#done = 0;
    this.#passed = 0;
    this.#advance();
    this.#wake?.();
  }

  #forget(key: string): void {
    this.#handledBefore.delete(key);
    this.#items.delete(key);
    this.#unkept = true;
  }

  /** Goes on to the last mark before which all is handled. */
  #advance(): void {
    for (;;) {
      const entry = this.#entries[this.#done];
      if (entry === undefined || ("key" in entry && entry.state !== "handled")) break;
      this.#done++;
      if ("at" in entry) this.#passed = this.#done;
    }
    if (this.#passed > 0) {
      for (const entry of this.#entries.splice(0, this.#passed)) {
        if ("at" in entry) this.#at = entry.at;
        else this.#items.delete(entry.key);
      }
      this.#done -= this.#passed;
      this.#passed = 0;
      this.#unkept = true;
      this.#wake?.();
    }
    this.#keepSoon();
  }

  #keepSoon(): void {
    if (this.#unkept) this.#soon ??= setImmediate(() => this.#keep());
  }

  #keep(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    if (!this.#unkept || this.holdsBack) return;
    this.#unkept = false;
    const handled = [...this.#handledBefore];
    for (const { key, state } of this.#items.values()) if (state === "handled") handled.push(key);
    const position: Position = this.#at === undefined ? { handled } : { at: this.#at, handled };
    this.#checkpoint.advance(JSON.stringify(position))();
  }
}

/** A key of bounded length for an event that parts of any length tell from others. */
export function feedKey(...parts: readonly string[]): string {
  const lengths = parts.map(({ length }) => length).join(",");
  const digest = createHash("sha256")
    .update(`${lengths}:${parts.join("")}`)
    .digest("base64url");
  return digest.slice(0, 16);
}

function parsed(position: string | undefined): Position {
  return position === undefined ? { handled: [] } : (JSON.parse(position) as Position);
}
