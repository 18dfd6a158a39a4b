import { expect, test } from "vitest";
import {
  concurrencyMemory,
  freePlaces,
  SharedConcurrency,
  usedPlaces,
} from "../../src/workers/shared-concurrency.ts";
import { until } from "../until.ts";

test("places are those of all workers, and one that is free wakes those who wait in any", async () => {
  const memory = concurrencyMemory(2);
  const [one, other] = [0, 1].map((worker) => new SharedConcurrency(memory, worker, 2));
  if (one === undefined || other === undefined) throw new Error("there are two");
  const unwanted = (): void => expect.unreachable();
  expect([one.take(unwanted), other.take(unwanted)]).toEqual([true, true]);
  const woken: string[] = [];
  expect(one.take(() => woken.push("one"))).toBe(false);
  expect(other.take(() => woken.push("other"))).toBe(false);
  one.release();
  await until(() => woken.length === 2, { what: () => woken.join() });
  expect([one.used, usedPlaces(memory)]).toEqual([1, 1]);
});

test("neither worker starves while both always want a place", async () => {
  const memory = concurrencyMemory(2);
  const order: number[] = [];
  for (const worker of [0, 1]) {
    const places = new SharedConcurrency(memory, worker, 1);
    // As a delivery does: it takes the place where it is told of it, and asks for the next at once.
    const go = (): void => {
      if (order.length >= 100 || !places.take(go)) return;
      order.push(worker);
      setImmediate(() => {
        places.release();
        go();
      });
    };
    go();
  }
  await until(() => order.length >= 100, { what: () => order.join("") });
  const turns = order.filter((worker, at) => worker !== order[at - 1]).length;
  expect(turns).toBeGreaterThan(90);
});

test("what a worker had that has ended is free", () => {
  const memory = concurrencyMemory(2);
  const ended = new SharedConcurrency(memory, 1, 1);
  expect(ended.take(() => undefined)).toBe(true);
  const left = new SharedConcurrency(memory, 0, 1);
  expect(left.take(() => undefined)).toBe(false);
  freePlaces(memory, 1);
  expect(left.take(() => undefined)).toBe(true);
});
