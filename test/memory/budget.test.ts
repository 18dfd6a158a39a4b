import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defaultMemoryBudget, MemoryBudget } from "../../src/memory/budget.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("no share holds more than half of the budget unless it is told otherwise", () => {
  const budget = new MemoryBudget(100);
  const webhook = budget.share("webhook");
  expect(webhook.limit).toBe(50);
  expect(webhook.reserve(50)).toBe(true);
  expect(webhook.reserve(1)).toBe(false);
  expect(budget.share("http").reserve(50)).toBe(true);
  expect(budget.used).toBe(100);
  expect(new MemoryBudget().limit).toBe(defaultMemoryBudget);
  expect(budget.share("all", 1000).limit).toBe(100);
});

test("shares together hold no more than the budget", () => {
  const budget = new MemoryBudget(100);
  const [one, two, three] = ["one", "two", "three"].map((name) => budget.share(name));
  expect(one?.reserve(40)).toBe(true);
  expect(two?.reserve(40)).toBe(true);
  expect(three?.reserve(21)).toBe(false);
  expect(budget.used).toBe(80);
  one?.release(40);
  expect(three?.reserve(21)).toBe(true);
  expect(budget.shares.map(({ name, used, refusals }) => [name, used, refusals])).toEqual([
    ["one", 0, 0],
    ["two", 40, 0],
    ["three", 21, 1],
  ]);
});

test("a share is made once for each name", () => {
  const budget = new MemoryBudget(100);
  expect(budget.share("one")).toBe(budget.share("one"));
});

test("what cannot be refused is counted, and others are refused until it is released", () => {
  const budget = new MemoryBudget(100);
  const share = budget.share("one");
  share.add(500);
  expect(budget.share("two").reserve(1)).toBe(false);
  share.release(500);
  expect(budget.share("two").reserve(1)).toBe(true);
});

test("a reservation is released as one, and once", () => {
  const budget = new MemoryBudget(100);
  const share = budget.share("one");
  const reservation = share.open();
  expect(reservation.reserve(30)).toBe(true);
  reservation.add(5);
  reservation.add(-10);
  expect(reservation.bytes).toBe(25);
  expect(reservation.reserve(26)).toBe(false);
  expect(share.used).toBe(25);
  reservation.release();
  reservation.release();
  reservation.add(10);
  expect(reservation.reserve(1)).toBe(false);
  expect([share.used, budget.used, reservation.bytes]).toEqual([0, 0, 0]);
});

test("refusals are told at once, then once a minute as a count", () => {
  const told: [string, number][] = [];
  const budget = new MemoryBudget(10, {
    onRefused: ({ name }, refusals) => told.push([name, refusals]),
  });
  const share = budget.share("one");
  for (let time = 0; time < 5; time++) share.reserve(100);
  expect(told).toEqual([["one", 1]]);
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([
    ["one", 1],
    ["one", 4],
  ]);
  // A minute without any, and the next one is told at once again.
  vi.advanceTimersByTime(60_000);
  share.reserve(100);
  expect(told.at(-1)).toEqual(["one", 1]);
  expect(told).toHaveLength(3);
  expect(share.refusals).toBe(6);
});
