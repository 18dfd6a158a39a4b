import { expect, test } from "vitest";
import { BackOff } from "../../src/feed/back-off.ts";

test("pauses double up to a minute, and begin anew", () => {
  const backOff = new BackOff();
  const pauses = Array.from({ length: 12 }, () => backOff.next());
  for (const [index, pause] of pauses.entries()) {
    const most = Math.min(60_000, 1000 * 2 ** index);
    expect(pause).toBeGreaterThanOrEqual(most * 0.75);
    expect(pause).toBeLessThanOrEqual(most);
  }
  backOff.reset();
  expect(backOff.next()).toBeLessThanOrEqual(1000);
});

test("what the server asks for is the least, within a day", () => {
  expect(new BackOff().next(5_000)).toBe(5_000);
  expect(new BackOff().next(1e15)).toBe(86_400_000);
  expect(new BackOff(10_000).next()).toBeGreaterThanOrEqual(7_500);
  expect(new BackOff().next(0, 120_000)).toBeGreaterThanOrEqual(90_000);
});
