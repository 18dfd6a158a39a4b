import { AsyncLocalStorage } from "node:async_hooks";
import { clearTimeout, setInterval, setTimeout } from "node:timers";
import type { Clock, ClockTimer } from "../../clock.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { Activity, type Doing } from "./activity.ts";

export type TestClockOptions = {
  /** When it begins, in milliseconds since 1970. */
  readonly start: number;
  /** How long something that does not end is waited for before the time moves on, in milliseconds. */
  readonly patience: number;
  readonly activity: Activity;
  /** Told the time whenever it has moved. */
  readonly onMove: (now: number) => void;
};

type Due = {
  at: number;
  readonly every: number | undefined;
  readonly run: () => void;
  readonly doing: Doing | undefined;
  isCancelled: boolean;
};

/** In real milliseconds. */
const lookAgain = 5;

/** A clock that stands still until it is told to move, or let go. */
export class TestClock implements Clock {
  readonly #options: TestClockOptions;
  /** In the order in which they are due. */
  #due: Due[] = [];
  #time: number;
  /** When it was let go, by the process's clock. */
  #goesSince: number | undefined;

  constructor(options: TestClockOptions) {
    this.#options = options;
    this.#time = options.start;
    options.onMove(options.start);
  }

  now(): number {
    return Math.floor(this.#now);
  }

  elapsed(): number {
    // 0 means never to some.
    return this.#now - this.#options.start + 1;
  }

  start(run: () => void, milliseconds: number, isRepeated: boolean): ClockTimer {
    const pause = Math.min(Math.max(milliseconds, 1), longestTimer);
    // Whoever started it has its own context, and so it is called in that.
    const inContext = AsyncLocalStorage.snapshot();
    if (this.#goesSince !== undefined) return realTimer(() => inContext(run), pause, isRepeated);
    const doing = isRepeated ? undefined : Activity.current;
    const due: Due = {
      at: this.#time + pause,
      every: isRepeated ? pause : undefined,
      run: () => inContext(run),
      doing,
      isCancelled: false,
    };
    doing?.timerStarted();
    this.#add(due);
    const timer: ClockTimer = {
      cancel: () => {
        due.isCancelled = true;
        this.#remove(due);
      },
      unref: () => timer,
    };
    return timer;
  }

  /** Moves on by the milliseconds, through all that is due meanwhile. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#time + milliseconds;
    await this.#quiet();
    for (let next = this.#due[0]; next !== undefined && next.at <= end; next = this.#due[0])
      await this.#runUntil(next.at);
    this.#moveTo(end);
    await this.#quiet();
  }

  /** Moves on, at most by so many milliseconds, until the condition is met; false: it is not. */
  async until(condition: () => boolean, most: number): Promise<boolean> {
    const end = this.#time + most;
    for (;;) {
      await this.#quiet();
      if (condition()) return true;
      const next = await this.#nextBefore(end, condition);
      if (condition()) return true;
      if (next === undefined) return false;
      await this.#runUntil(next.at);
    }
  }

  /** What is due next until then. Where nothing is, something from outside may come: an app that is only beginning. */
  async #nextBefore(end: number, condition: () => boolean): Promise<Due | undefined> {
    const late = performance.now() + this.#options.patience;
    for (;;) {
      const [next] = this.#due;
      if (next !== undefined && next.at <= end) return next;
      if (condition() || performance.now() > late) return undefined;
      await new Promise<void>((resolve) => void setTimeout(resolve, lookAgain));
    }
  }

  /** From now on it goes by itself, as the process's does. */
  letGo(): void {
    if (this.#goesSince !== undefined) return;
    this.#goesSince = performance.now();
    const due = this.#due;
    this.#due = [];
    for (const one of due) {
      const { at, every } = one;
      one.doing?.timerEnded();
      const run = (): void => {
        if (!one.isCancelled) one.run();
      };
      realTimer(run, every ?? at - this.#time, every !== undefined).unref();
    }
  }

  get #now(): number {
    const went = this.#goesSince === undefined ? 0 : performance.now() - this.#goesSince;
    return this.#time + went;
  }

  /** Everything of one moment, in its order. */
  async #runUntil(moment: number): Promise<void> {
    this.#moveTo(moment);
    for (let next = this.#due[0]; next !== undefined && next.at <= moment; next = this.#due[0]) {
      this.#remove(next);
      if (next.every !== undefined) {
        next.at += next.every;
        this.#add(next);
      }
      next.run();
    }
    await this.#quiet();
  }

  #moveTo(time: number): void {
    this.#time = Math.max(this.#time, time);
    this.#options.onMove(this.now());
  }

  #quiet(): Promise<void> {
    return this.#options.activity.quiet(this.#options.patience);
  }

  #add(due: Due): void {
    let at = this.#due.length;
    while (at > 0 && (this.#due[at - 1]?.at ?? 0) > due.at) at--;
    this.#due.splice(at, 0, due);
  }

  #remove(due: Due): void {
    const at = this.#due.indexOf(due);
    if (at < 0) return;
    this.#due.splice(at, 1);
    due.doing?.timerEnded();
  }
}

function realTimer(run: () => void, milliseconds: number, isRepeated: boolean): ClockTimer {
  const timer = isRepeated ? setInterval(run, milliseconds) : setTimeout(run, milliseconds);
  const shown: ClockTimer = {
    cancel: () => clearTimeout(timer),
    unref() {
      timer.unref();
      return shown;
    },
  };
  return shown;
}
