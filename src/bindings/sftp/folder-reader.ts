import { posix } from "node:path";
import type { InboundEvent, LogFields, Reader, Reading, Settlement } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { modifiedTime, type Sighting } from "../../folder-watch/sighting.ts";
import { KnownFiles } from "../../folder-watch/known-files.ts";
import { StableFiles } from "../../folder-watch/stable-files.ts";
import { assuredBytes, type Reservation } from "../../memory/budget.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { sftpFields } from "./fields.ts";

import { whyNotListed, type RemoteFolder } from "./remote-folder.ts";

/** When to try again what the server refused: to read a file, to put a handled one away. Milliseconds. */
const tryAgainAfter = 5_000;
/** The shortest pause between two looks, in milliseconds. */
const leastPause = 50;
/** So many files of one look are taken in, and so many names; those behind them at a later one. */
const [mostFiles, mostNames] = [10_000, 100_000];
/** A server that lists ever more of what is left alone does not fill the log. */
const mostWarnings = 1_000;
/** Files that are read ahead of the one that is handed over, and their bytes. */
const [mostAhead, mostBytesAhead] = [8, 4 * 1024 * 1024];

type Read = {
  readonly seen: Sighting;
  readonly event: Promise<InboundEvent | undefined>;
  /** What it holds of the memory until it is handed over. */
  readonly room: Reservation;
};

/**
 * Looks at a folder again and again, and hands over one file after another, each when there is room, so that no more is
 * read than the app can take and a few files more.
 */
export class FolderReader implements Reader {
  readonly #folder: RemoteFolder;
  readonly #reading: Reading<typeof sftpFields>;
  readonly #files: StableFiles;
  readonly #known: KnownFiles;
  readonly #putAwayHere: (seen: Sighting) => void;
  #interval: number;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #looking: Promise<void> | undefined;
  /** Grows with the time that a look takes, so that a large folder is not looked at all the time. */
  #leastPause = leastPause;
  /** Stable and held, in the order in which they are delivered. */
  readonly #ready = new Set<Sighting>();
  #handing = false;
  readonly #putting = new Map<string, Promise<void>>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** What a person was told of, by path. */
  readonly #warned = new Set<string>();
  #condition = "";
  #stopped = false;
  #closed = false;

  constructor(folder: RemoteFolder, reading: Reading<typeof sftpFields>) {
    this.#folder = folder;
    this.#reading = reading;
    const { quietTime, pollInterval, address, username } = reading.metadata;
    this.#files = new StableFiles(Math.max(0, quietTime));
    const { name, appId } = reading.component;
    this.#known = KnownFiles.of(JSON.stringify([appId, name, address, username, folder.name]));
    this.#putAwayHere = (seen) => this.#putAway(seen);
    this.#known.putAway = this.#putAwayHere;
    this.#interval = pollInterval;
    this.#lookAt(performance.now());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#ready.clear();
  }

  /** Resolves when the handled files are out of the folder, as far as it can be done now. */
  async flush(): Promise<void> {
    await Promise.all(this.#putting.values());
  }

  async close(): Promise<void> {
    this.stop();
    this.#closed = true;
    if (this.#known.putAway === this.#putAwayHere) this.#known.putAway = undefined;
    for (const timer of this.#retries) clearTimeout(timer);
    await this.#looking;
    await this.flush();
  }

  /** Looks at that time, or sooner if that was planned already. */
  #lookAt(time: number): void {
    if (this.#stopped || time >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = time;
    const pause = Math.max(1, Math.ceil(time - performance.now()));
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        // One look at a time; the one under way plans the next.
        this.#looking ??= this.#look().finally(() => {
          this.#looking = undefined;
          const now = performance.now();
          this.#lookAt(now + Math.max(this.#leastPause, this.#interval));
          this.#lookWhenDue();
        });
      },
      Math.min(pause, longestTimer),
    );
  }

  #lookWhenDue(): void {
    const due = this.#files.nextDue;
    if (due === undefined) return;
    this.#lookAt(Math.max(due, performance.now() + this.#leastPause));
  }

  async #look(): Promise<void> {
    const { pollInterval, maxPollInterval } = this.#reading.metadata;
    const started = performance.now();
    let found = 0;
    try {
      found = await this.#lookThrough();
      this.#report("");
    } catch (error) {
      if (this.#stopped) return;
      const why = whyNotListed(this.#folder.name, error);
      if (why === undefined) return this.#reading.lost(error);
      this.#report(why);
    }
    this.#leastPause = Math.max(leastPause, 2 * (performance.now() - started));
    const longest = Math.max(pollInterval, maxPollInterval);
    this.#interval = found > 0 ? pollInterval : Math.min(2 * this.#interval, longest);
    if (this.#stopped) return;
    for (const seen of this.#files.take(performance.now())) this.#ready.add(seen);
    void this.#deliver();
  }

  /** Resolves to how many files there are to be handled. */
  async #lookThrough(): Promise<number> {
    const present = new Map<string, Sighting>();
    const listed = new Set<string>();
    const unreadable = new Set<string>();
    let isWhole = true;
    await this.#folder.walk({
      onFile: (seen) => {
        listed.add(seen.path);
        const state = this.#known.stateOf(seen);
        if (state === "handled") this.#putAway(seen);
        else if (state === undefined && this.#isFit(seen)) present.set(seen.path, seen);
        isWhole = present.size < mostFiles && listed.size < mostNames;
        return isWhole && !this.#stopped;
      },
      onBadName: (name) => {
        const text = "the server lists a name that is none; such names are left out";
        this.#warnOnce("name", { file: name }, text);
      },
      onUnreadable: (path, error) => {
        unreadable.add(path);
        const facts = { file: path, reason: messageOf(error) };
        this.#warnOnce(`folder ${path}`, facts, "a folder in the folder cannot be read");
      },
    });
    if (this.#stopped) return 0;
    // All at one time, so that those found together are due together, and the oldest comes first.
    const now = performance.now();
    for (const seen of present.values()) this.#files.see(seen, now);
    if (isWhole) {
      this.#files.keepOnly(listed);
      this.#known.keepHandled(listed);
      for (const key of this.#warned) {
        const path = key.slice(key.indexOf(" ") + 1);
        const isGone = !listed.has(path) && !unreadable.has(path);
        if (isGone && key !== "name") this.#warned.delete(key);
      }
    }
    return present.size;
  }

  #isFit({ path, size }: Sighting): boolean {
    const { maxSize } = this.#reading.metadata;
    if (size <= maxSize) return true;
    const facts = { file: path, size: `${size}B`, maxSize: `${maxSize}B` };
    this.#warnOnce(`size ${path}`, facts, "a file is left alone, it is larger than maxSize");
    return false;
  }

  async #deliver(): Promise<void> {
    if (this.#handing) return;
    this.#handing = true;
    const reads: Read[] = [];
    for (;;) {
      this.#readAhead(reads);
      const read = reads.shift();
      if (read === undefined) break;
      const { seen, room } = read;
      try {
        const event = await read.event;
        // From here on the runtime counts it.
        room.release();
        if (this.#stopped) break;
        if (event === undefined) {
          // It has changed, and is looked at again.
          this.#files.release(seen.path);
          continue;
        }
        this.#warned.delete(`file ${seen.path}`);
        this.#known.give(seen);
        await this.#reading.deliver([event]);
      } catch (error) {
        this.#known.forget(seen);
        const facts = { file: seen.path, reason: messageOf(error) };
        this.#warnOnce(`file ${seen.path}`, facts, "file not read; it is tried again");
        this.#again(seen, tryAgainAfter);
      }
    }
    for (const { event, room } of reads) {
      const release = (): void => room.release();
      event.then(release, release);
    }
    this.#handing = false;
  }

  /** Reads the next files; one at least, however large it is. */
  #readAhead(reads: Read[]): void {
    let bytes = reads.reduce((sum, { seen }) => sum + seen.size, 0);
    for (const seen of this.#ready) {
      bytes += seen.size;
      const isEnough = reads.length === mostAhead || bytes > mostBytesAhead;
      if (this.#stopped || (reads.length > 0 && isEnough)) return;
      this.#ready.delete(seen);
      const room = this.#reading.memory.open(assuredBytes);
      const event = this.#read(seen, room);
      event.catch(() => room.release());
      reads.push({ seen, event, room });
    }
  }

  /** The file as an event; `undefined`: it is not any more as it was seen. */
  async #read(seen: Sighting, room: Reservation): Promise<InboundEvent | undefined> {
    const { path, size } = seen;
    const modified = modifiedTime(seen);
    if (!room.reserve(size)) throw new Error(`the memory budget has no room for its ${size} bytes`);
    const data = await this.#folder.read(seen);
    if (data === undefined) return undefined;
    return {
      data,
      metadata: {
        fileName: posix.basename(path),
        path,
        size: String(size),
        modifiedTime: modified,
      },
      headers: [],
      id: `${path}:${modified}:${size}`,
      settle: (settlement) => this.#settle(seen, settlement),
    };
  }

  #settle(seen: Sighting, settlement: Settlement): void {
    if (settlement.outcome === "returned") {
      this.#known.forget(seen);
      return this.#again(seen, settlement.after ?? tryAgainAfter);
    }
    // This reader puts it away, or one that has followed it.
    this.#known.handled(seen);
  }

  /** It stays in the folder, and is an event again later. */
  #again(seen: Sighting, after: number): void {
    this.#files.takeAgain(seen, performance.now() + after);
    this.#lookWhenDue();
  }

  /** The file is held until it is away: handled once, it must not be an event again. */
  #putAway(seen: Sighting): void {
    if (this.#putting.has(seen.path)) return;
    const putting = this.#folder
      .putAway(seen)
      .then(() => {
        this.#known.forget(seen);
        this.#files.release(seen.path);
      })
      .catch((error: unknown) => {
        // When the connection is lost, the next reader does it.
        if (whyNotListed(seen.path, error) === undefined || this.#closed) return;
        const facts = { file: seen.path, reason: messageOf(error) };
        const text = "a handled file cannot be moved or deleted; it is tried again";
        this.#warnOnce(`away ${seen.path}`, facts, text);
        const timer = setTimeout(() => {
          this.#retries.delete(timer);
          this.#putAway(seen);
        }, tryAgainAfter);
        this.#retries.add(timer);
      })
      .finally(() => this.#putting.delete(seen.path));
    this.#putting.set(seen.path, putting);
  }

  #report(condition: string): void {
    if (condition === this.#condition) return;
    this.#condition = condition;
    const { logger, report } = this.#reading;
    if (condition === "") logger.info({}, "the folder can be listed again");
    else logger.warn({ reason: condition }, "the folder cannot be listed; it is tried again");
    report?.(condition, condition !== "");
  }

  #warnOnce<Facts extends object>(key: string, facts: LogFields<Facts>, message: string): void {
    if (this.#warned.has(key) || this.#warned.size >= mostWarnings) return;
    this.#warned.add(key);
    this.#reading.logger.warn(facts, message);
  }
}
