import type { OffsetRange } from "../../handled-ranges.ts";

/**
 * Which of a partition's delivered offsets were handled, in any order. Offsets that the log does not
 * have (compacted, transaction markers) count as handled.
 */
export class HandledOffsets {
  // A queue in two arrays: offsets ascending, whether each is handled, and where the first unhandled one stands.
  #offsets: number[] = [];
  #handled: boolean[] = [];
  #start = 0;
  /** Sequence number of the entry at index 0. */
  #base = 0;
  #end: number;
  #open = 0;

  /** `next`: the first offset that will be delivered. */
  constructor(next: number) {
    this.#end = next;
  }

  /** The lowest offset that was not handled: what to commit. */
  get committable(): number {
    return this.#offsets[this.#start] ?? this.#end;
  }

  /** The offset after the last that was delivered or skipped. */
  get end(): number {
    return this.#end;
  }

  /** Delivered and not settled as handled. */
  get open(): number {
    return this.#open;
  }

  /** Notes that an offset is delivered, and gives the token to settle it by. */
  deliver(offset: number): number {
    this.#offsets.push(offset);
    this.#handled.push(false);
    this.#open++;
    this.#end = offset + 1;
    return this.#base + this.#offsets.length - 1;
  }

  /** Notes that all below `next` need not be delivered. */
  skipTo(next: number): void {
    if (next > this.#end) this.#end = next;
  }

  /** Notes that a range was handled by an earlier reader. */
  skip(range: OffsetRange): void {
    if (this.#offsets.length > this.#start) {
      // Kept as an entry, so that it is told again in the next commit.
      this.#offsets.push(range.last);
      this.#handled.push(true);
    }
    this.skipTo(range.last + 1);
  }

  /** Settles a delivered offset as handled. */
  handle(token: number): void {
    const index = token - this.#base;
    if (index < this.#start || this.#handled[index] !== false) return;
    this.#handled[index] = true;
    this.#open--;
    while (this.#handled[this.#start] === true) this.#start++;
    if (this.#start > 1024 && this.#start * 2 > this.#offsets.length) {
      this.#offsets.splice(0, this.#start);
      this.#handled.splice(0, this.#start);
      this.#base += this.#start;
      this.#start = 0;
    }
  }

  /** The ranges handled above {@link committable}, ascending. */
  *ranges(): Generator<OffsetRange> {
    let first: number | undefined;
    for (let index = this.#start; index < this.#offsets.length; index++) {
      if (this.#handled[index] === true) {
        // From just after the entry before: gaps between belong to the handled.
        first ??= (this.#offsets[index - 1] ?? this.committable) + 1;
      } else if (first !== undefined) {
        yield { first, last: (this.#offsets[index] ?? first) - 1 };
        first = undefined;
      }
    }
    if (first !== undefined) yield { first, last: this.#end - 1 };
  }
}
