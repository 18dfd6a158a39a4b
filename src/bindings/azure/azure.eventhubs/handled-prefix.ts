import { encodeHandledRanges, type OffsetRange } from "../../../handled-ranges.ts";

type Position = { readonly sequence: number; readonly offset: string };
type Entry = Position & { isHandled: boolean };

/** The metadata of a blob may have 8 KiB. */
const longestRanges = 4096;

/** Which of a partition's delivered events were handled: a checkpoint passes none that was not. */
export class HandledPrefix {
  readonly #entries: Entry[] = [];
  #last: Position;

  /** `from`: all up to here was handled. */
  constructor(from: Position) {
    this.#last = from;
  }

  /** Notes a delivered event; the returned function, that it was handled. */
  deliver(sequence: number, offset: string): () => void {
    const entry: Entry = { sequence, offset, isHandled: false };
    this.#entries.push(entry);
    return () => {
      entry.isHandled = true;
      while (this.#entries[0]?.isHandled === true) this.#last = this.#entries.shift() ?? this.#last;
    };
  }

  /** The last event of those that were handled without a gap, and the ranges above it that were handled, as a text. */
  get checkpoint(): Position & { readonly ranges: string } {
    const { sequence, offset } = this.#last;
    return {
      sequence,
      offset,
      ranges: encodeHandledRanges(sequence + 1, this.#above(), longestRanges),
    };
  }

  *#above(): Iterable<OffsetRange> {
    let range: { first: number; last: number } | undefined;
    for (const { sequence, isHandled } of this.#entries) {
      if (isHandled && range !== undefined && range.last + 1 === sequence) range.last = sequence;
      else if (isHandled) {
        if (range !== undefined) yield range;
        range = { first: sequence, last: sequence };
      } else if (range !== undefined) {
        yield range;
        range = undefined;
      }
    }
    if (range !== undefined) yield range;
  }
}
