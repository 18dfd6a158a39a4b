/** A call as far as others can delay it. */
export type WatchedCall = {
  /** Who has to act: the sender of the request, whoever serves it, or the reader of the answer. */
  readonly turn: "sender" | "server" | "reader";
  /** Bytes of the request that have come. */
  readonly received: number;
  /** Its request comes too slowly: the call should end. */
  endSlow(): void;
  /** Has the call end when nothing of its answer is read for so many milliseconds. Called once. */
  limitReading(milliseconds: number): void;
};

/** A body of which nothing comes, or an answer of which nothing is read, for so long ends the call. Milliseconds. */
const longestSilence = 30_000;
/** The fewest bytes a second of a body, over {@link longestSilence}. */
const slowestBody = 1024;
/** Why such a call ends. */
export const tooSlow = `the request stopped: it must bring ${slowestBody} bytes a second, and something each ${longestSilence / 1000} s`;
/** Between two looks, in milliseconds. */
export const lookInterval = 2000;
const looks = longestSilence / lookInterval;
const fewestBytes = (slowestBody * longestSilence) / 1000;

type Progress = {
  received: number;
  /** Looks since something came. */
  silent: number;
  /** Looks since the rate was measured, and what had come then. */
  looks: number;
  before: number;
  isReadingLimited: boolean;
};

/**
 * Ends calls whose sender or reader has stopped, or drips. Time is counted in looks, not by a clock: a process
 * that did not run for a while has not looked, and finds what was sent meanwhile first.
 */
class WatchedCalls {
  /** An answer of which nothing is read for so long ends the call, in milliseconds. */
  longestUnread = longestSilence;
  // What is known of a call is made at the first look: most calls are over before.
  readonly #calls = new Map<WatchedCall, Progress | undefined>();
  #timer: NodeJS.Timeout | undefined;

  /** Looks after the call until {@link forget}. */
  watch(call: WatchedCall): void {
    this.#calls.set(call, undefined);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.look(), lookInterval);
    this.#timer.unref();
  }

  forget(call: WatchedCall): void {
    this.#calls.delete(call);
  }

  /** What the timer does, each {@link lookInterval}. */
  look(): void {
    if (this.#calls.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    for (const [call, known] of this.#calls) {
      const progress = known ?? {
        ...{ received: call.received, silent: 0, looks: 0, before: 0 },
        isReadingLimited: false,
      };
      if (known === undefined) this.#calls.set(call, progress);
      if (call.turn === "sender") {
        if (isTooSlow(call, progress)) call.endSlow();
      } else {
        Object.assign(progress, { silent: 0, looks: 0, before: call.received });
        if (call.turn === "reader" && !progress.isReadingLimited) {
          progress.isReadingLimited = true;
          call.limitReading(this.longestUnread);
        }
      }
    }
  }
}

function isTooSlow({ received }: WatchedCall, progress: Progress): boolean {
  progress.silent = received === progress.received ? progress.silent + 1 : 0;
  progress.received = received;
  if (progress.silent >= looks) return true;
  if (++progress.looks < looks) return false;
  const isSlow = received - progress.before < fewestBytes;
  progress.looks = 0;
  progress.before = received;
  return isSlow;
}

/** Those of this process. */
export const watchedCalls = new WatchedCalls();
