import { clock } from "../clock.ts";

/** How much less certain a measured offset is after a millisecond, for the drift of both clocks. */
const driftPerMillisecond = 0.0005;

/** What clocks of two servers may differ before that is a jump, in milliseconds. */
const smallest = 250;

/**
 * The store's clock as this process knows it: the offset of its time from this process's monotonic clock, measured at
 * each answer. What the process takes for the time of day has no part in it.
 */
export class StoreClock {
  readonly #onJump: (milliseconds: number) => void;
  #offset: number | undefined;
  /** How far off the offset may be, when it was measured. */
  #uncertainty = 0;
  #measuredAt = 0;

  /** `onJump`: told by how much the store's clock has jumped, as another server's may be that leads now. */
  constructor(onJump: (milliseconds: number) => void = () => undefined) {
    this.#onJump = onJump;
  }

  /** An answer, with the store's time in it, came; `sent`: when it was asked for, by `clock.elapsed()`. */
  measured(storeTime: number, sent: number): void {
    const received = clock.elapsed();
    const uncertainty = (received - sent) / 2;
    const aged = this.#uncertainty + (received - this.#measuredAt) * driftPerMillisecond;
    const offset = storeTime - (sent + received) / 2;
    if (this.#offset !== undefined) {
      const jump = offset - this.#offset;
      const isJump = Math.abs(jump) > uncertainty + aged + smallest;
      if (isJump) this.#onJump(jump);
      // A slow round trip tells less than a quick one of a moment ago.
      else if (uncertainty > aged) return;
    }
    this.#offset = offset;
    this.#uncertainty = uncertainty;
    this.#measuredAt = received;
  }

  /** Whole milliseconds since 1970. Until it was measured, the process's own time. */
  now(): number {
    if (this.#offset === undefined) return clock.now();
    return Math.floor(this.#offset + clock.elapsed());
  }
}
