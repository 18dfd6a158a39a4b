import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { clock, withClock } from "../../../src/clock.ts";
import { Activity } from "../../../src/testkit/app/activity.ts";
import { TestClock } from "../../../src/testkit/app/test-clock.ts";

function made(patience = 20) {
  const activity = new Activity();
  const moves: number[] = [];
  const onMove = (now: number): void => void moves.push(now);
  return { activity, moves, time: new TestClock({ start: 1000, patience, activity, onMove }) };
}

test("what is due comes in its order, each at its time", async () => {
  const { time, moves } = made();
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(`${name} at ${time.now()}`);
  time.start(note("c"), 300, false);
  time.start(note("a"), 100, false);
  time.start(note("b"), 100, false);
  const every = time.start(note("each"), 150, true);
  time.start(note("never"), 50, false).cancel();
  await time.advance(310);
  every.cancel();
  await time.advance(1000);
  expect(seen).toEqual(["a at 1100", "b at 1100", "each at 1150", "c at 1300", "each at 1300"]);
  expect(time.now()).toBe(2310);
  expect(moves.at(-1)).toBe(2310);
});

test("what a step brings about is there before the next", async () => {
  const { time, activity } = made(10_000);
  const seen: number[] = [];
  const answers = async (): Promise<void> => {
    await wait(20);
    seen.push(time.now());
  };
  time.start(() => void activity.begin("app", answers), 100, false);
  time.start(() => void seen.push(time.now()), 101, false);
  await time.advance(200);
  expect(seen).toEqual([1100, 1101]);
});

test("what waits for the time keeps it from nothing, and what does not end only once", async () => {
  const { time, activity } = made(30);
  const slept = withClock(time, () =>
    activity.begin(
      "app",
      () => new Promise<void>((resolve) => void clock.setTimeout(resolve, 500)),
    ),
  );
  const began = performance.now();
  await time.advance(500);
  await slept;
  void activity.begin("app", () => Promise.withResolvers<void>().promise);
  for (let step = 0; step < 20; step++) {
    time.start(() => {}, 10, false);
    await time.advance(10);
  }
  expect(time.now()).toBe(1700);
  expect(performance.now() - began).toBeLessThan(20 * 30 + 5000);
});

test("until goes no further than it must, and says when it is in vain", async () => {
  const { time } = made();
  let ticks = 0;
  time.start(() => void ticks++, 1000, true);
  expect(await time.until(() => ticks === 3, 10_000)).toBe(true);
  expect(time.now()).toBe(4000);
  expect(await time.until(() => ticks === 30, 10_000)).toBe(false);
});

test("once it is let go it goes by itself, with what was due and not cancelled", async () => {
  const { time } = made();
  const due = Promise.withResolvers<void>();
  time.start(due.resolve, 5, false);
  const cancelled = time.start(() => expect.unreachable(), 5, false);
  time.letGo();
  time.letGo();
  cancelled.cancel();
  await due.promise;
  await new Promise<void>((resolve) => void time.start(resolve, 1, false).unref());
  time.start(() => expect.unreachable(), 1, false).cancel();
  expect(time.now()).toBeGreaterThan(1000);
});
