import { clock as runtimeClock } from "../../clock.ts";
import { delay } from "../../delay.ts";
import { formatDuration, parseDuration } from "../../metadata/duration.ts";
import type { TestClock } from "./test-clock.ts";

/** A time that a test moves. */
export type KitClock = {
  /** The kit's time. */
  now(): Date;
  /**
   * Moves the time on by a duration (`"5s"`, `"1h30m"`, or milliseconds), through all that is due meanwhile, in its order:
   * retries, timeouts, ticks, delays. Before each step all is done that can be done at that moment.
   */
  advance(duration: string | number): Promise<void>;
  /**
   * Moves the time on, from one thing that is due to the next, until the promise is settled, and resolves or rejects as it
   * does. Rejects where that needs more than `most` (default a day), or where nothing is due any more.
   */
  until<Result>(promise: Promise<Result>, most?: string | number): Promise<Result>;
  /** Resolves once so much of the kit's time has passed; for handlers and answers that take their time. */
  delay(duration: string | number): Promise<void>;
};

const day = "24h";

/** `clock`: absent where the kit goes by the process's time. `within`: runs something by the kit's time. */
export function kitClock(
  clock: TestClock | undefined,
  within: <Result>(run: () => Result) => Result,
): KitClock {
  const moved = (): TestClock => {
    if (clock !== undefined) return clock;
    throw new Error(
      'the time of this kit is the process\'s, as `clock: "real"` says: it goes by itself',
    );
  };
  return {
    now: () => new Date(within(() => runtimeClock.now())),
    advance: async (duration) => moved().advance(millisecondsOf(duration)),
    async until(promise, most = day) {
      if (clock === undefined) return promise;
      let isSettled = false;
      const settled = (): void => void (isSettled = true);
      promise.then(settled, settled);
      const longest = millisecondsOf(most);
      if (await clock.until(() => isSettled, longest)) return promise;
      throw new Error(
        `the promise is not settled, and nothing that is due within ${formatDuration(longest)} will settle it`,
      );
    },
    delay: async (duration) =>
      within(() => delay(millisecondsOf(duration), new AbortController().signal)),
  };
}

function millisecondsOf(duration: string | number): number {
  const milliseconds =
    typeof duration === "number" ? duration : parseDuration(duration, Number.NaN);
  if (milliseconds !== undefined && Number.isFinite(milliseconds) && milliseconds >= 0)
    return milliseconds;
  throw new Error(
    `${JSON.stringify(duration)} is no duration: say "5s", "1h30m", or a number of milliseconds`,
  );
}
