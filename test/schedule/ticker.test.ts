import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startInterval, startTicker } from "../../src/schedule/ticker.ts";

const minute = 60_000;
const start = Date.parse("2026-11-23T10:00:00Z");

/** Each full minute. */
function nextMinute(after: number): number {
  return (Math.floor(after / minute) + 1) * minute;
}

beforeEach(() => vi.useFakeTimers({ now: start + 500 }));
afterEach(() => vi.useRealTimers());

describe("a calendar", () => {
  let ticks: string[];
  let stop: () => void;
  beforeEach(() => {
    ticks = [];
    stop = startTicker(nextMinute, (due) => ticks.push(due.toISOString().slice(11, 19)));
  });
  afterEach(() => stop());

  test("ticks at each time, once", () => {
    vi.advanceTimersByTime(3 * minute);
    expect(ticks).toEqual(["10:01:00", "10:02:00", "10:03:00"]);
  });

  test("ticks no more once stopped", () => {
    vi.advanceTimersByTime(minute);
    stop();
    vi.advanceTimersByTime(10 * minute);
    expect(ticks).toEqual(["10:01:00"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a clock set forward is noticed, and what it skipped is one tick", () => {
    vi.setSystemTime(start + 180 * minute + 1000);
    vi.advanceTimersByTime(minute);
    expect(ticks).toEqual(["10:01:00", "13:01:00"]);
  });

  test("a clock put right by seconds repeats no tick", () => {
    vi.advanceTimersByTime(minute);
    vi.setSystemTime(start + minute - 20_000);
    vi.advanceTimersByTime(minute + 25_000);
    expect(ticks).toEqual(["10:01:00", "10:02:00"]);
  });

  test("a clock set back by hours does not silence the schedule", () => {
    vi.advanceTimersByTime(minute);
    vi.setSystemTime(start - 120 * minute);
    vi.advanceTimersByTime(2 * minute);
    expect(ticks).toEqual(["10:01:00", "08:01:00", "08:02:00"]);
  });
});

test("a calendar without a time to come never ticks", () => {
  const onTick = vi.fn();
  const stop = startTicker(() => undefined, onTick);
  vi.advanceTimersByTime(60 * minute);
  stop();
  expect(onTick).not.toHaveBeenCalled();
});

describe("an interval", () => {
  test("does not drift when callbacks are late", () => {
    const offsets: number[] = [];
    const began = performance.now();
    const stop = startInterval(100, () => {
      offsets.push(performance.now() - began);
      vi.advanceTimersByTime(30);
    });
    vi.advanceTimersByTime(1000);
    stop();
    expect(offsets.length).toBeGreaterThanOrEqual(10);
    for (const [index, offset] of offsets.entries()) {
      expect(offset - (index + 1) * 100).toBeLessThan(2);
    }
  });

  test("does not care about the clock", () => {
    let ticks = 0;
    const stop = startInterval(1000, () => ticks++);
    vi.setSystemTime(start - 86_400_000);
    vi.advanceTimersByTime(5000);
    vi.setSystemTime(start + 86_400_000);
    vi.advanceTimersByTime(5000);
    stop();
    expect(ticks).toBe(10);
  });

  test("can be longer than a timer can", () => {
    let ticks = 0;
    const stop = startInterval(30 * 86_400_000, () => ticks++);
    vi.advanceTimersByTime(31 * 86_400_000);
    stop();
    expect(ticks).toBe(1);
  });
});
