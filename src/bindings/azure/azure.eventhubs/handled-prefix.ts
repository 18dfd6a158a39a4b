import { encodeHandledRanges } from "../../../handled-ranges.ts";

type Position = { readonly sequence: number; readonly offset: string };
/** Events next to each other: one that was not handled, or some that all were. */
type Run = { first: number; last: number; offset: string; isHandled: boolean };

/** The metadata of a blob may have 8 KiB. */
const longestRanges = 4096;

/**
 * Which of a partition's delivered events were handled: a checkpoint passes none that was not. What was handled takes
 * no more room than what was not.
 */
export class HandledPrefix {
  readonly #runs: Run[] = [];
  #last: Position;
  #delivered: Position;

  /** `from`: all up to here was handled. */
  constructor(from: Position) {
    this.#last = from;
    this.#delivered = from;
  }

  /** The last event that was delivered. */
  get delivered(): Position {
    return this.#delivered;
  }

  /** Notes a delivered event; the returned function, that it was handled. */
  deliver(sequence: number, offset: string): () => void {
    const run: Run = { first: sequence, last: sequence, offset, isHandled: false };
    this.#runs.push(run);
    this.#delivered = { sequence, offset };
    return () => this.#handled(run);
  }

  /** The last event of those that were handled without a gap, and the ranges above it that were handled, as a text. */
  get checkpoint(): Position & { readonly ranges: string } {
    const { sequence, offset } = this.#last;
    const above = this.#runs.filter(({ isHandled }) => isHandled);
    return { sequence, offset, ranges: encodeHandledRanges(sequence + 1, above, longestRanges) };
  }

  #handled(run: Run): void {
    if (run.isHandled) return;
    run.isHandled = true;
    const runs = this.#runs;
    const at = runs.indexOf(run);
    const next = runs[at + 1];
    if (next?.isHandled === true) {
      // The one that follows is what its own function knows no more.
      run.last = next.last;
      run.offset = next.offset;
      runs.splice(at + 1, 1);
    }
    const before = runs[at - 1];
    if (before?.isHandled === true) {
      before.last = run.last;
      before.offset = run.offset;
      runs.splice(at, 1);
    }
    const [first] = runs;
    if (first?.isHandled !== true) return;
    runs.shift();
    this.#last = { sequence: first.last, offset: first.offset };
  }
}
