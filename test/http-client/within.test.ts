import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withTimeLimit } from "../../src/http-client/within.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Never done, but for its signal. */
function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  return promise;
}

test("gives what the work comes to, and leaves neither timer nor listener", async () => {
  const { signal } = new AbortController();
  expect(await withTimeLimit(1_000, signal, () => Promise.resolve(1))).toBe(1);
  const failing = withTimeLimit(1_000, signal, () => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("aborts after its time as AbortSignal.timeout does", async () => {
  const late = withTimeLimit(1_000, undefined, untilAborted);
  const seen = expect(late).rejects.toMatchObject({ name: "TimeoutError" });
  vi.advanceTimersByTime(1_000);
  await seen;
});

test("aborts with the outer signal, for its reason", async () => {
  const controller = new AbortController();
  const ended = withTimeLimit(1_000, controller.signal, untilAborted);
  controller.abort(new Error("it was stopped"));
  await expect(ended).rejects.toThrow("it was stopped");
  const begun = withTimeLimit(1_000, controller.signal, untilAborted);
  await expect(begun).rejects.toThrow("it was stopped");
  expect(vi.getTimerCount()).toBe(0);
});
