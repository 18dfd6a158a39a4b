import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AppHealth, type AppHealthOptions } from "../../src/app/health.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A health whose probes say what `well` says, and which notes each change. */
function watch(options: AppHealthOptions) {
  const probed: number[] = [];
  const changes: boolean[] = [];
  const state = { well: false };
  const health = new AppHealth(
    options,
    async (timeout) => {
      probed.push(timeout);
      if (!state.well) throw new Error("unwell");
    },
    () => changes.push(health.reason === ""),
  );
  return { health, probed, changes, state };
}

test("is unwell until a probe succeeds, and again after `threshold` failures in a row", async () => {
  const { health, probed, changes, state } = watch({ interval: 100, timeout: 7, threshold: 3 });
  expect(health.reason).not.toBe("");
  health.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(health.reason).toContain("unwell");
  state.well = true;
  await vi.advanceTimersByTimeAsync(100);
  expect(changes).toEqual([true]);
  state.well = false;
  await vi.advanceTimersByTimeAsync(200);
  expect(health.reason).toBe("");
  state.well = true;
  await vi.advanceTimersByTimeAsync(100);
  state.well = false;
  await vi.advanceTimersByTimeAsync(200);
  expect(changes).toEqual([true]);
  await vi.advanceTimersByTimeAsync(100);
  expect(changes).toEqual([true, false]);
  expect(new Set(probed)).toEqual(new Set([7]));
  health.stop();
});

test("zero means Dapr's defaults: every 5 s, 500 ms each, three failures", async () => {
  const { health, probed, changes, state } = watch({ interval: 0, timeout: 0, threshold: 0 });
  state.well = true;
  health.start();
  await vi.advanceTimersByTimeAsync(4999);
  expect(probed).toEqual([500]);
  state.well = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(changes).toEqual([true]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(changes).toEqual([true, false]);
  health.stop();
});

test("stopped, it probes no more and forgets that the app was well", async () => {
  const { health, probed, state } = watch({ interval: 100 });
  state.well = true;
  health.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(health.reason).toBe("");
  health.stop();
  expect(health.reason).not.toBe("");
  await vi.advanceTimersByTimeAsync(1000);
  expect(probed).toHaveLength(1);
  health.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(health.reason).toBe("");
  health.stop();
});

test("an answer that comes after it was stopped counts for nothing", async () => {
  const answer = Promise.withResolvers<void>();
  const changed = vi.fn<() => void>();
  const health = new AppHealth({}, () => answer.promise, changed);
  health.start();
  health.stop();
  answer.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(changed).not.toHaveBeenCalled();
  expect(health.reason).not.toBe("");
});

test.each([0, -1])("an interval of %d is the default one, and no loop", async (interval) => {
  const { health, probed } = watch({ interval, timeout: interval, threshold: interval });
  health.start();
  await vi.advanceTimersByTimeAsync(9_000);
  health.stop();
  expect(probed).toEqual([500, 500]);
});
