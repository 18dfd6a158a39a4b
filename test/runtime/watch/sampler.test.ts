import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ComponentStatus } from "../../../src/runtime/status.ts";
import { Sampler, sampleTime } from "../../../src/runtime/watch/sampler.ts";
import { statusOf } from "./status.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let statuses: ComponentStatus[];
beforeEach(() => {
  statuses = [statusOf("a", { attempts: 10, attemptTime: 100, handled: 9 })];
});

test("a sample is what was done in its five seconds, with mean times, in flight and backlog", () => {
  const sampler = new Sampler(() => statuses, { permanent: true });
  const calls = { inFlight: 0, invocations: 4, failures: 1, time: 10 };
  statuses = [
    statusOf("a", { attempts: 14, attemptTime: 108, handled: 12, inFlight: 3, backlog: 7, calls }),
  ];
  vi.advanceTimersByTime(sampleTime);
  expect(sampler.of("a")).toEqual([
    {
      ...{ at: Date.now(), attempts: 4, handled: 3, invocations: 4, failures: 1 },
      ...{ attemptTime: 2, invocationTime: 2.5, inFlight: 3, backlog: 7 },
    },
  ]);
  vi.advanceTimersByTime(sampleTime);
  expect(sampler.of("a")[1]).toMatchObject({ attempts: 0, attemptTime: undefined });
  expect([sampler.taken, sampler.of("a", 1).length, sampler.of("b")]).toEqual([2, 1, []]);
  sampler.stop();
});

test("ten minutes are kept, a component that is gone is forgotten, one that begins anew counts anew", () => {
  const sampler = new Sampler(() => statuses, { permanent: true });
  vi.advanceTimersByTime(sampleTime * 150);
  expect(sampler.of("a")).toHaveLength(120);
  expect(sampler.of("a")[0]?.at).toBe(Date.now() - 119 * sampleTime);
  statuses = [statusOf("b")];
  vi.advanceTimersByTime(sampleTime);
  statuses = [statusOf("b", { attempts: 3 })];
  vi.advanceTimersByTime(sampleTime);
  statuses = [statusOf("b", { attempts: 2 })];
  vi.advanceTimersByTime(sampleTime);
  expect(sampler.of("a")).toEqual([]);
  expect(sampler.of("b").map(({ attempts }) => attempts)).toEqual([3, 2]);
  sampler.stop();
});

test("nothing runs before the first use, and after ten minutes without one", () => {
  const sampler = new Sampler(() => statuses);
  expect(vi.getTimerCount()).toBe(0);
  const first = sampler.use();
  const second = sampler.use();
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  vi.advanceTimersByTime(sampleTime * 200);
  expect(vi.getTimerCount()).toBe(1);
  second[Symbol.dispose]();
  vi.advanceTimersByTime(sampleTime * 119);
  expect(sampler.of("a")).not.toEqual([]);
  vi.advanceTimersByTime(sampleTime * 2);
  expect([vi.getTimerCount(), sampler.of("a")]).toEqual([0, []]);
  using _ = sampler.use();
  expect(vi.getTimerCount()).toBe(1);
});
