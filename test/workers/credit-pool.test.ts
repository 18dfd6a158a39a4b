import { expect, test } from "vitest";
import { CreditPool } from "../../src/app/credit-pool.ts";

function createPool(threads: number) {
  const granted: [number, number][] = [];
  const recalled: number[] = [];
  const pool = new CreditPool(threads, {
    grant: (thread, credit) => granted.push([thread, credit]),
    recall: (thread) => recalled.push(thread),
  });
  return { pool, granted, recalled };
}

test("credit goes to those who need it, in even parts, and never more than there is", () => {
  const { pool, granted } = createPool(3);
  pool.add(10);
  expect(granted).toEqual([]);
  pool.needed(1);
  expect(granted).toEqual([[1, 10]]);
  pool.needed(0);
  pool.needed(2);
  pool.add(3);
  expect(granted).toEqual([
    [1, 10],
    [0, 2],
    [2, 1],
  ]);
});

test("what one thread does not use is asked back, once, for another that needs it", () => {
  const { pool, granted, recalled } = createPool(2);
  pool.needed(0);
  pool.add(5);
  pool.used(0, 2);
  pool.needed(1);
  pool.needed(1);
  expect(recalled).toEqual([0]);
  pool.returned(0, 3);
  expect(granted).toEqual([
    [0, 5],
    [1, 3],
  ]);
  // It has none any more, and is asked for none; the other one has.
  pool.used(1, 1);
  pool.needed(0);
  expect(recalled).toEqual([0, 1]);
});

test("the one that waits longest is first where there is one event's credit", () => {
  const { pool, granted } = createPool(2);
  pool.needed(0);
  pool.needed(1);
  for (let time = 0; time < 4; time++) {
    pool.add(1);
    const [thread = 0] = granted.at(-1) ?? [];
    pool.used(thread, 1);
    pool.needed(thread);
  }
  expect(granted.map(([thread]) => thread)).toEqual([0, 1, 0, 1]);
});
