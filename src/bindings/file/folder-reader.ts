import { basename, sep } from "node:path";
import type { InboundEvent, LogFields, Reader, Reading, Settlement } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { modifiedTime, type Sighting } from "../../folder-watch/sighting.ts";
import { StableFiles } from "../../folder-watch/stable-files.ts";
import { ChangeHints } from "./change-hints.ts";
import type { fileFields } from "./fields.ts";
import type { Folder } from "./folder.ts";
import { archive } from "./archive.ts";
import { readStableFile } from "./read-stable-file.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";

/** Hints come in swarms while a file is written; they are looked at together, at the soonest after this. Milliseconds. */
const leastGathering = 20;
/** When to try again what the file system refused: to read a file, to put a handled one away. Milliseconds. */
const tryAgainAfter = 5_000;
/** More names than this at once are looked through together. */
const mostNames = 1_000;

/**
 * Watches a folder and hands over one file after another, each when there is room, so that no more
 * is read than the app can take.
 */
export class FolderReader implements Reader {
  readonly #folder: Folder;
  readonly #reading: Reading<typeof fileFields>;
  readonly #files: StableFiles;
  readonly #hints: ChangeHints;
  readonly #scanning: NodeJS.Timeout;
  /** Names to look at, while not all are. */
  readonly #names = new Set<string>();
  #all = true;
  #looking: Promise<void> | undefined;
  /** Grows with the time that a look takes, so that a large folder is not looked at all the time. */
  #gathering = leastGathering;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** Stable and held, in the order in which they are delivered. */
  readonly #ready = new Set<Sighting>();
  #handing = false;
  readonly #putting = new Set<Promise<void>>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** Files about whose trouble a person was told. */
  readonly #warned = new Set<string>();
  #stopped = false;

  constructor(folder: Folder, reading: Reading<typeof fileFields>) {
    this.#folder = folder;
    this.#reading = reading;
    const { quietTime, scanInterval } = reading.metadata;
    this.#files = new StableFiles(Math.max(0, quietTime));
    this.#hints = new ChangeHints(
      folder,
      (path) => this.#hint(path),
      (error) =>
        reading.logger.warn(
          { reason: messageOf(error), scanInterval: formatDuration(scanInterval) },
          "the system does not report changes in the folder; it is scanned at each interval",
        ),
    );
    this.#scanning = setInterval(() => this.#hint(undefined), Math.min(scanInterval, longestTimer));
    this.#hint(undefined);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#scanning);
    clearTimeout(this.#timer);
    this.#hints.close();
    this.#ready.clear();
  }

  /** Resolves when the handled files are out of the folder, as far as it can be done now. */
  async flush(): Promise<void> {
    await Promise.all(this.#putting);
  }

  async close(): Promise<void> {
    this.stop();
    for (const timer of this.#retries) clearTimeout(timer);
    await this.#looking;
    await this.flush();
  }

  #hint(path: string | undefined): void {
    // Below the folder a name may be that of a new folder, with files in it.
    if (path === undefined || this.#folder.recursive || this.#names.size >= mostNames) {
      this.#all = true;
    } else if (this.#folder.mayCount(path)) this.#names.add(path);
    else return;
    this.#lookAt(performance.now() + this.#gathering);
  }

  /** Looks at that time, or sooner if that was planned already. */
  #lookAt(time: number): void {
    if (this.#stopped || time >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = time;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        // One look at a time; the one under way plans the next.
        this.#looking ??= this.#look().finally(() => {
          this.#looking = undefined;
          if (this.#all || this.#names.size > 0) this.#lookAt(performance.now() + this.#gathering);
          const due = this.#files.nextDue;
          if (due !== undefined) this.#lookAt(due);
        });
      },
      Math.min(Math.max(1, Math.ceil(time - performance.now())), longestTimer),
    );
  }

  async #look(): Promise<void> {
    const started = performance.now();
    try {
      if (this.#all) await this.#lookThrough();
      else {
        const names = [...this.#names];
        this.#names.clear();
        for (const path of names) {
          const seen = await this.#sight(path);
          if (seen === undefined) this.#files.forget(path);
          else this.#files.see(seen, performance.now());
        }
      }
    } catch (error) {
      if (!this.#stopped) this.#reading.lost(error);
      return;
    }
    this.#gathering = Math.max(leastGathering, 2 * (performance.now() - started));
    if (this.#stopped) return;
    for (const seen of this.#files.take(performance.now())) this.#ready.add(seen);
    void this.#deliver();
  }

  async #lookThrough(): Promise<void> {
    this.#all = false;
    this.#names.clear();
    const folders = new Set<string>();
    const listed = new Set<string>();
    const present = new Map<string, Sighting>();
    await this.#folder.walk(
      (path) => {
        folders.add(path);
        if (!this.#stopped) this.#hints.add(path);
      },
      async (path) => {
        listed.add(path);
        const seen = this.#stopped ? undefined : await this.#sight(path);
        if (seen !== undefined) present.set(path, seen);
      },
      (path, error) =>
        this.#warnOnce(path, { reason: messageOf(error) }, "a folder in the folder cannot be read"),
    );
    if (this.#stopped) return;
    this.#hints.keepOnly(folders);
    // All at one time, so that those found together are due together, and the oldest comes first.
    const now = performance.now();
    for (const seen of present.values()) this.#files.see(seen, now);
    this.#files.keepOnly(new Set(present.keys()));
    for (const path of this.#warned) {
      if (!listed.has(path) && !folders.has(path)) this.#warned.delete(path);
    }
  }

  /** The file as it is now; `undefined`: there is none that counts. */
  async #sight(path: string): Promise<Sighting | undefined> {
    const seen = await this.#folder.look(path);
    if (seen === undefined && path.includes("\u{FFFD}"))
      this.#warnOnce(path, {}, "a file is left alone, its name is not UTF-8");
    return seen;
  }

  async #deliver(): Promise<void> {
    if (this.#handing) return;
    this.#handing = true;
    for (const seen of this.#ready) {
      this.#ready.delete(seen);
      try {
        const event = await this.#read(seen);
        if (this.#stopped) break;
        if (event !== undefined) await this.#reading.deliver([event]);
      } catch (error) {
        this.#warnOnce(seen.path, { reason: messageOf(error) }, "file not read; it is tried again");
        this.#again(seen, tryAgainAfter);
      }
    }
    this.#handing = false;
  }

  /** The file as an event; `undefined` when it is none, and what becomes of it is arranged. */
  async #read(seen: Sighting): Promise<InboundEvent | undefined> {
    const { path, size } = seen;
    const modified = modifiedTime(seen);
    const { maxSize } = this.#reading.metadata;
    if (size > maxSize) {
      this.#files.leave(seen);
      const sizes = { size: `${size}B`, maxSize: `${maxSize}B` };
      this.#warnOnce(path, sizes, "a file is left alone, it is larger than maxSize");
      return undefined;
    }
    const data = await readStableFile(this.#folder, seen);
    if (data === undefined) {
      this.#files.release(path);
      this.#hint(path);
      return undefined;
    }
    this.#warned.delete(path);
    const name = path.split(sep).join("/");
    return {
      data,
      metadata: {
        fileName: basename(path),
        path: name,
        size: String(size),
        modifiedTime: modified,
      },
      headers: [],
      id: `${name}:${modified}:${size}`,
      settle: (settlement) => this.#settle(seen, settlement),
    };
  }

  #settle(seen: Sighting, settlement: Settlement): void {
    if (settlement.outcome === "handled") this.#archive(seen);
    else this.#again(seen, settlement.after ?? tryAgainAfter);
  }

  /** It stays in the folder, and is an event again later. */
  #again(seen: Sighting, after: number): void {
    this.#files.takeAgain(seen, performance.now() + after);
    const due = this.#files.nextDue;
    if (due !== undefined) this.#lookAt(due);
  }

  /** The file is held until it is away: handled once, it must not be an event again. */
  #archive(seen: Sighting): void {
    const putting = archive(this.#folder, seen)
      .then(() => {
        this.#files.release(seen.path);
        // Written to meanwhile, it is another event.
        this.#hint(seen.path);
      })
      .catch((error: unknown) => {
        const facts = { reason: messageOf(error) };
        this.#warnOnce(
          seen.path,
          facts,
          "a handled file cannot be moved or deleted; it is tried again",
        );
        const timer = setTimeout(() => {
          this.#retries.delete(timer);
          this.#archive(seen);
        }, tryAgainAfter);
        this.#retries.add(timer);
        if (this.#stopped) clearTimeout(timer);
      })
      .finally(() => this.#putting.delete(putting));
    this.#putting.add(putting);
  }

  #warnOnce<Facts extends object>(path: string, facts: LogFields<Facts>, message: string): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    this.#reading.logger.warn({ file: path, ...facts }, message);
  }
}
