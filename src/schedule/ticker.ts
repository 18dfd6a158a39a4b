import { clock, type Timer } from "../clock.ts";
import type { Cron } from "croner";
import { longestTimer } from "../metadata/duration.ts";
import type { Schedule } from "./schedule.ts";

/** Computes the first time of a schedule after the given one, both in milliseconds since 1970. */
export type NextTime = (after: number) => number | undefined;

/** How long it sleeps at most, so that a clock that was set is noticed. Milliseconds. */
const longestSleep = 10_000;

/** A clock set back by no more than this repeats no tick; it was only put right. Milliseconds. */
const correction = 60_000;

/**
 * Prepares the search for the next time of a calendar schedule. Where clocks go forward, a time that
 * does not exist comes at once after the gap; where they go back, a time that comes twice is taken
 * once, unless the schedule repeats within the hour anyway.
 */
export function nextTimeOf(
  schedule: Schedule & { kind: "calendar" },
  CronClass: typeof Cron,
): NextTime {
  const { pattern, bothDays, zone } = schedule;
  const cron = new CronClass(pattern, {
    paused: true,
    mode: "6-part",
    domAndDow: bothDays,
    ...(zone === undefined ? {} : { timezone: zone }),
  });
  return (after) => cron.nextRun(new Date(after))?.getTime();
}

/**
 * Calls back at each due time until the returned function is called. Times that passed unnoticed
 * (a suspended machine, a clock set forward) are one tick, not many.
 */
export function startTicker(next: NextTime, onTick: (due: Date) => void): () => void {
  let seen = clock.now();
  let due = next(seen);
  return repeat(() => {
    const now = clock.now();
    if (now < seen - correction) due = next(now);
    if (now < seen - correction || now > seen) seen = now;
    if (due === undefined) return longestTimer;
    if (now >= due) {
      const reached = due;
      due = next(now);
      onTick(new Date(reached));
    }
    return due === undefined ? longestTimer : due - clock.now();
  });
}

/** Calls back every `interval` milliseconds of elapsed time, whatever the clock says, without drift. */
export function startInterval(interval: number, onTick: (due: Date) => void): () => void {
  const start = clock.elapsed();
  let due = start + interval;
  return repeat(() => {
    const now = clock.elapsed();
    if (now >= due) {
      due = start + (Math.floor((now - start) / interval) + 1) * interval;
      onTick(new Date(clock.now()));
    }
    return due - clock.elapsed();
  });
}

/** Runs a step again after the milliseconds that it asks for, or sooner, until the returned function is called. */
function repeat(step: () => number): () => void {
  let timer: Timer;
  let stopped = false;
  const run = (): void => {
    const pause = step();
    const longest = clock.canBeSet ? longestSleep : longestTimer;
    if (!stopped) timer = clock.setTimeout(run, Math.min(Math.ceil(pause), longest));
  };
  run();
  return () => {
    stopped = true;
    clock.clearTimeout(timer);
  };
}
