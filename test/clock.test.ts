import { expect, test } from "vitest";
import { clock, withClock, type Clock } from "../src/clock.ts";

function stopped(now: number): Clock & { started: [number, boolean][]; cancelled: number } {
  const one = {
    started: [] as [number, boolean][],
    cancelled: 0,
    now: () => now,
    elapsed: () => 1,
    start(_: () => void, milliseconds: number, every: boolean) {
      one.started.push([milliseconds, every]);
      const timer = { cancel: () => void one.cancelled++, unref: () => timer };
      return timer;
    },
  };
  return one;
}

test("it is the process's time, but in the context of another one", async () => {
  const before = Date.now();
  expect(clock.now()).toBeGreaterThanOrEqual(before);
  expect(clock.canBeSet).toBe(true);
  const [a, b] = [stopped(1), stopped(2)];
  const seen = await Promise.all(
    [a, b].map((one) =>
      withClock(one, async () => {
        await new Promise((resolve) => void setImmediate(resolve));
        return [clock.now(), clock.elapsed(), clock.canBeSet];
      }),
    ),
  );
  expect(seen).toEqual([
    [1, 1, false],
    [2, 1, false],
  ]);
  expect(clock.now()).toBeGreaterThanOrEqual(before);
});

test("timers are those of the time in which they were started, wherever they are cleared", async () => {
  const one = stopped(1);
  const timers = withClock(one, () => [
    clock.setTimeout(() => {}, 5),
    clock.setInterval(() => {}, 7),
  ]);
  for (const timer of timers) clock.clearTimeout(timer);
  expect(one).toMatchObject({
    started: [
      [5, false],
      [7, true],
    ],
    cancelled: 2,
  });
  clock.clearTimeout(undefined);
  const real = clock.setTimeout(() => expect.unreachable(), 1);
  withClock(one, () => clock.clearTimeout(real));
  await new Promise<void>((resolve) => void clock.setTimeout(resolve, 2));
});
