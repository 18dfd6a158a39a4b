import { longestTimer } from "../metadata/duration.ts";

const first = 1_000;
const longest = 60_000;
/** A server that asks for more is asked again after a day. */
const longestAsked = 86_400_000;

/** The pauses before a server is asked again that failed: each twice as long as the one before it, up to a minute. */
export class BackOff {
  readonly #first: number;
  #failures = 0;

  /** `first`: the first pause, in milliseconds. */
  constructor(firstPause = first) {
    this.#first = firstPause;
  }

  /** It works again. */
  reset(): void {
    this.#failures = 0;
  }

  /** The next pause, in milliseconds. `asked`: what the server asks for at least. */
  next(asked = 0, firstPause = this.#first): number {
    const pause = Math.min(Math.max(longest, firstPause), firstPause * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 20);
    // Many that have lost the same server do not come back at the same moment.
    const spread = pause * (0.75 + Math.random() / 4);
    return Math.min(longestTimer, Math.max(spread, Math.min(asked, longestAsked)));
  }
}
