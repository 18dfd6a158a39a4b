import { clock } from "../../clock.ts";
/** What an input does at this moment. */
export type StallFacts = {
  /** There is a reader, and an app that takes events. */
  readonly reading: boolean;
  readonly inFlight: number;
  /** Events received that wait. */
  readonly waiting: number;
  /** How many events the app takes at one time. */
  readonly room: number;
  /** A full window holds the source. */
  readonly held: boolean;
};

export type StallEvidence = {
  readonly backlog: number;
  readonly waitingAtSource: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** How long that was seen. */
  readonly seconds: number;
  /** When the last event came, as a time stamp; absent: none since it was connected. */
  readonly lastEvent?: string;
};

/** The most that may lie between two looks for the time between them to count, in milliseconds. */
const longestStep = 30_000;

/**
 * Tells an input that stands still: look after look events wait at the source that are none of those received,
 * none comes, and the app has room for more.
 *
 * Only time between looks that both saw it counts, by a clock that nobody sets: a process that was stopped
 * for an hour has seen nothing.
 */
export class StallDetector {
  readonly #timeout: number;
  readonly #now: () => number;
  #lastLook: number | undefined;
  #stood = 0;
  #receivedSince = false;
  #lastEvent: Date | undefined;

  /** `timeout`: how long it must stand still, in milliseconds; 0: never. */
  constructor(timeout: number, now: () => number = () => clock.elapsed()) {
    this.#timeout = timeout;
    this.#now = now;
  }

  /** An event came. */
  received(): void {
    this.#receivedSince = true;
  }

  /** Takes a look; what it tells, if anything, is told once. */
  look(backlog: number, facts: StallFacts): StallEvidence | undefined {
    if (this.#timeout <= 0) return undefined;
    const now = this.#now();
    const step = now - (this.#lastLook ?? now);
    const { inFlight, waiting } = facts;
    const waitingAtSource = backlog - inFlight - waiting;
    const stands =
      !this.#receivedSince &&
      waitingAtSource > 0 &&
      facts.reading &&
      !facts.held &&
      inFlight + waiting < facts.room;
    if (this.#receivedSince) this.#lastEvent = new Date(clock.now());
    this.#receivedSince = false;
    if (!stands) {
      this.#lastLook = undefined;
      this.#stood = 0;
      return undefined;
    }
    this.#lastLook = now;
    if (step <= longestStep) this.#stood += step;
    if (this.#stood < this.#timeout) return undefined;
    const seconds = Math.round(this.#stood / 1000);
    this.#stood = 0;
    const last = this.#lastEvent;
    return {
      ...{ backlog, waitingAtSource, inFlight, waiting, seconds },
      ...(last && { lastEvent: last.toISOString() }),
    };
  }
}
