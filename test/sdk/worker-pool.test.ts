import { expect, test } from "vitest";
import { WorkerPool, type Turn } from "../../src/sdk/worker-pool.ts";

function turn(order: string[], name: string, until?: Promise<void>): Turn {
  return {
    run() {
      order.push(name);
      return until;
    },
  };
}

test("turns are given in order, no more at one time than allowed", async () => {
  const pool = new WorkerPool(2);
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  pool.add(turn(order, "a", first.promise));
  pool.add(turn(order, "b", second.promise));
  pool.add(turn(order, "c"));
  pool.add(turn(order, "d"));
  expect(order).toEqual(["a", "b"]);
  second.resolve();
  await second.promise;
  expect(order).toEqual(["a", "b", "c", "d"]);
  first.resolve();
});

test("work that is done at once asks for a million turns without a deep stack", () => {
  const pool = new WorkerPool(1);
  let turns = 0;
  const again: Turn = {
    run() {
      if (++turns < 1_000_000) pool.add(again);
      return undefined;
    },
  };
  pool.add(again);
  expect(turns).toBe(1_000_000);
});
