import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deadlines } from "../../src/grpc/deadlines.ts";

const minute = 60_000;

beforeEach(() => {
  const toFake = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"];
  vi.useFakeTimers({ toFake: toFake as never });
});
afterEach(() => {
  // What was begun here must not go on beside real timers.
  vi.advanceTimersByTime(60 * minute);
  vi.useRealTimers();
});

/** A call that notes when it expired. */
function timed(): { at: number; expire(): void } {
  return {
    at: Number.NaN,
    expire() {
      this.at = performance.now();
    },
  };
}

function start(after: number) {
  const now = performance.now();
  const call = timed();
  const deadline = deadlines.start(call, now + after, now);
  return { call, deadline, after, at: now + after };
}

describe("a deadline", () => {
  test.each([0.2, 1, 20, 127, 128, 129, 500, 1000.5, 30_000, 65_000, 66_000, 10 * minute])(
    "is exact: %d ms",
    (after) => {
      const { call, at } = start(after);
      vi.advanceTimersByTime(Math.ceil(after) - 1);
      if (after > 1) expect(call.at).toBeNaN();
      vi.advanceTimersByTime(2);
      expect(call.at).toBeGreaterThanOrEqual(at);
      expect(call.at).toBeLessThan(at + 2);
    },
  );

  test("that was cleared comes no more, whether near or far, noted or timed already", () => {
    const cleared = [1, 100, 5000, 5000, 5000, 70_000].map(start);
    const kept = [1, 100, 5000, 5000, 5000, 70_000].map(start);
    for (const { deadline } of cleared.slice(0, 4)) deadline.clear();
    vi.advanceTimersByTime(4990);
    cleared[4]?.deadline.clear();
    cleared[5]?.deadline.clear();
    // Twice does no harm.
    cleared[5]?.deadline.clear();
    vi.advanceTimersByTime(100_000);
    for (const { call } of cleared) expect(call.at).toBeNaN();
    for (const { call, at } of kept) {
      expect(call.at).toBeGreaterThanOrEqual(at);
      expect(call.at).toBeLessThan(at + 2);
    }
  });

  test("in any order, with others coming and going between", () => {
    const all = [];
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 2000; round++) {
      all.push(start(random() * 90_000));
      if (random() < 0.5) {
        const index = Math.floor(random() * all.length);
        all[index]?.deadline.clear();
        all.splice(index, 1);
      }
      if (round % 10 === 0) vi.advanceTimersByTime(random() * 30);
    }
    vi.advanceTimersByTime(100_000);
    for (const { call, at } of all) {
      expect(call.at).toBeGreaterThanOrEqual(at - 1);
      expect(call.at).toBeLessThan(at + 2);
    }
  });

  test("nothing ticks once there are none", () => {
    start(1000).deadline.clear();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a process that stood still for longer than all of it lasts expires what is due at once", () => {
  const calls = [1000, 30_000, 64_000].map(start);
  const later = start(40 * minute);
  // The clock goes on, and no timer fires.
  const now = performance.now() + 30 * minute;
  const clock = vi.spyOn(performance, "now").mockReturnValue(now);
  vi.advanceTimersByTime(70);
  for (const { call } of calls) expect(call.at).toBe(now);
  expect(later.call.at).toBeNaN();
  clock.mockRestore();
});
