import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RateLimiter } from "../../../src/runtime/records/rate-limiter.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;

/** How many begin in a second when each takes `busy` milliseconds besides. */
async function begunInASecond(pace: RateLimiter, busy: number): Promise<number> {
  let begun = 0;
  const stop = new AbortController();
  const going = (async () => {
    while (!stop.signal.aborted) {
      await pace.next(stop.signal);
      if (stop.signal.aborted) return;
      begun++;
      if (busy > 0) await new Promise((resolve) => setTimeout(resolve, busy));
    }
  })();
  await vi.advanceTimersByTimeAsync(999);
  stop.abort();
  await vi.advanceTimersByTimeAsync(busy);
  await going;
  return begun;
}

test.each<[number, number]>([
  [1, 0],
  [30, 0],
  [30, 7],
  [700, 0],
])("%i a second are exact, with %i ms of work between", async (rate, busy) => {
  expect(await begunInASecond(new RateLimiter(rate), busy)).toBe(rate);
});

test("a long hold-up is not made good at once", async () => {
  const pace = new RateLimiter(100);
  await pace.next(never);
  await vi.advanceTimersByTimeAsync(60_000);
  const begun = await begunInASecond(pace, 0);
  expect(begun).toBeGreaterThanOrEqual(100);
  expect(begun).toBeLessThanOrEqual(111);
});

test("without a rate nothing waits, and who cancels need not wait either", async () => {
  const began = performance.now();
  await new RateLimiter(undefined).next(never);
  const pace = new RateLimiter(0.001);
  await pace.next(never);
  const stop = new AbortController();
  const turn = pace.next(stop.signal);
  stop.abort();
  await turn;
  expect(performance.now()).toBe(began);
});
