import { expect, test } from "vitest";
import { defaultInboundPolicy, pauseAfter } from "../../src/policy/retry.ts";

test("pauses grow up to the longest one", () => {
  const policy = { ...defaultInboundPolicy, jitter: 0 };
  expect([1, 2, 3, 7, 8, 1000].map((attempt) => pauseAfter(policy, attempt))).toEqual([
    1000, 2000, 4000, 60_000, 60_000, 60_000,
  ]);
});

test("jitter moves a pause by its share either way", () => {
  expect(pauseAfter(defaultInboundPolicy, 1, () => 0)).toBeCloseTo(900);
  expect(pauseAfter(defaultInboundPolicy, 1, () => 1)).toBeCloseTo(1100);
  expect(pauseAfter({ ...defaultInboundPolicy, jitter: 2 }, 1, () => 0)).toBe(0);
});

test("a multiplier of 1 is constant", () => {
  const policy = { attempts: 3, initial: 50, max: 50, multiplier: 1, jitter: 0 };
  expect(pauseAfter(policy, 9)).toBe(50);
});
