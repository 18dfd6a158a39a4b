import type { Checkpoint } from "../../binding.ts";
import { lsnText, parseLsn } from "./lsn.ts";

/** Handled changes are noted together, after this long, in milliseconds. */
const notePause = 50;
/** So many that were handled before an earlier one are noted; more come again after the process has ended. */
const mostBehind = 2_000;

type Entry = { readonly position: string; isHandled: boolean };

/**
 * Which changes were handled: all up to a position, and single ones behind it, while one before them waits. A position
 * is a transaction, by the place of its commit, and how many of its changes it is about.
 */
export class HandledChanges {
  readonly #checkpoint: Checkpoint;
  readonly #start: { readonly lsn: bigint; readonly changes: number };
  /** Single ones that an earlier reading has handled. */
  readonly #before: ReadonlySet<string>;
  /** From the first that is not handled. */
  #entries: Entry[] = [];
  #first = 0;
  #prefix: string;
  #noted: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    this.#noted = checkpoint.position ?? "0/0:0";
    const [prefix = "", ...single] = this.#noted.split(",");
    const [lsn = "", changes = ""] = prefix.split(":");
    this.#prefix = prefix;
    this.#start = { lsn: parseLsn(lsn) ?? 0n, changes: Number(changes) };
    this.#before = new Set(single);
  }

  /** Where to read from: all that was committed before is handled. */
  get start(): bigint {
    return this.#start.lsn;
  }

  /** Whether an earlier reading has handled the change with this number of a transaction; if so, it is passed over. */
  passes(commitLsn: bigint, change: number): boolean {
    const { lsn, changes } = this.#start;
    if (commitLsn < lsn || (commitLsn === lsn && change <= changes)) return true;
    if (this.#before.size === 0) return false;
    const position = positionText(commitLsn, change);
    if (!this.#before.has(position)) return false;
    this.#add({ position, isHandled: true });
    return true;
  }

  /** A change is delivered; what is returned is to be called when it is handled. */
  deliver(commitLsn: bigint, change: number): () => void {
    const entry = { position: positionText(commitLsn, change), isHandled: false };
    this.#entries.push(entry);
    return () => {
      entry.isHandled = true;
      this.#changed();
    };
  }

  /** A transaction has come to its end. */
  commit(endLsn: bigint): void {
    this.#add({ position: positionText(endLsn, 0), isHandled: true });
  }

  async flush(): Promise<void> {
    this.#note();
    await this.#checkpoint.flush();
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#changed();
  }

  #changed(): void {
    for (;;) {
      const entry = this.#entries[this.#first];
      if (entry?.isHandled !== true) break;
      this.#prefix = entry.position;
      this.#first++;
    }
    if (this.#first === this.#entries.length || this.#first > 1_000) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    this.#timer ??= setTimeout(() => this.#note(), notePause);
  }

  #note(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const texts = [this.#prefix];
    for (let at = this.#first; at < this.#entries.length && texts.length <= mostBehind; at++) {
      const entry = this.#entries[at];
      if (entry?.isHandled === true) texts.push(entry.position);
    }
    const text = texts.join(",");
    if (text === this.#noted) return;
    this.#noted = text;
    this.#checkpoint.advance(text)();
  }
}

/** `0/16B3748:3`: the third change of the transaction that is committed there; `:0`: all before. */
function positionText(lsn: bigint, changes: number): string {
  return `${lsnText(lsn)}:${changes}`;
}
