/** A call as far as others can delay it. */
export type WatchedCall = {
  /** Who has to act: the sender of the request, whoever serves it, or the reader of the answer. */
  readonly turn: "sender" | "server" | "reader";
  /** Bytes of the request that have come. */
  readonly received: number;
  /** Its request comes too slowly: the call should end. */
  endSlow(): void;
  /** Where it is among those that are watched; -1: it is none of them. Set by {@link WatchedCalls} alone. */
  watchPlace: number;
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
  readonly #calls: WatchedCall[] = [];
  // What is known of a call is made at the first look: most calls are over before.
  readonly #progress: (Progress | undefined)[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** Looks after the call until {@link forget}. */
  watch(call: WatchedCall): void {
    if (call.watchPlace !== -1) return;
    call.watchPlace = this.#calls.length;
    this.#calls.push(call);
    this.#progress.push(undefined);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.look(), lookInterval);
    this.#timer.unref();
  }

  /** Nothing happens to a call that is not watched. */
  forget(call: WatchedCall): void {
    const place = call.watchPlace;
    if (place === -1) return;
    call.watchPlace = -1;
    // The last takes its place: thousands of calls come and go between two looks.
    const last = this.#calls.pop();
    const progress = this.#progress.pop();
    if (last === undefined || last === call) return;
    this.#calls[place] = last;
    this.#progress[place] = progress;
    last.watchPlace = place;
  }

  /** What the timer does, each {@link lookInterval}. */
  look(): void {
    if (this.#calls.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    // From the end on, for a call that is ended is forgotten at once, and one that was looked at takes its place.
    for (let place = this.#calls.length - 1; place >= 0; place--) {
      const call = this.#calls[place];
      if (call !== undefined) this.#lookAt(call, place);
    }
  }

  #lookAt(call: WatchedCall, place: number): void {
    const progress = (this.#progress[place] ??= {
      ...{ received: call.received, silent: 0, looks: 0, before: 0 },
      isReadingLimited: false,
    });
    if (call.turn === "sender") {
      if (isTooSlow(call, progress)) call.endSlow();
      return;
    }
    Object.assign(progress, { silent: 0, looks: 0, before: call.received });
    if (call.turn === "reader" && !progress.isReadingLimited) {
      progress.isReadingLimited = true;
      call.limitReading(this.longestUnread);
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
