import { AsyncLocalStorage } from "node:async_hooks";

/** A time to go by: the process's own, or the one of a test that moves it itself. */
export type Clock = {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since some moment, by a clock that nobody sets. */
  elapsed(): number;
  /** Calls once after the milliseconds; `every`: again and again. */
  start(run: () => void, milliseconds: number, every: boolean): ClockTimer;
};

/** A timer of another clock than the process's. */
export type ClockTimer = { cancel(): void; unref(): ClockTimer };

export type Timer = NodeJS.Timeout | ClockTimer;

const storage = new AsyncLocalStorage<Clock>();
/** Whether there ever was another clock: where there was none, nobody pays for looking. */
let isUsed = false;

function other(): Clock | undefined {
  return isUsed ? storage.getStore() : undefined;
}

/** Runs with another clock, by which all goes that begins in it. */
export function withClock<Result>(clock: Clock, run: () => Result): Result {
  isUsed = true;
  return storage.run(clock, run);
}

/**
 * The time that the runtime goes by: delivery, policies, schedules. What has to do with other processes (connections of
 * the app, the longest time that a step of ending may take) goes by the process's own.
 */
export const clock = {
  now: (): number => other()?.now() ?? Date.now(),
  elapsed: (): number => other()?.elapsed() ?? performance.now(),
  /** Somebody may set it, so that what sleeps has to look again. */
  get canBeSet(): boolean {
    return other() === undefined;
  },
  setTimeout: (run: () => void, milliseconds: number): Timer =>
    other()?.start(run, milliseconds, false) ?? setTimeout(run, milliseconds),
  setInterval: (run: () => void, milliseconds: number): Timer =>
    other()?.start(run, milliseconds, true) ?? setInterval(run, milliseconds),
  clearTimeout(timer: Timer | undefined): void {
    if (timer === undefined) return;
    if ("cancel" in timer) timer.cancel();
    else clearTimeout(timer);
  },
};
