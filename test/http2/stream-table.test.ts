import { expect, test } from "vitest";
import { StreamTable } from "../../src/http2/stream-table.ts";

/** The same numbers each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function compare(table: StreamTable<{ id: number }>, map: ReadonlyMap<number, { id: number }>) {
  expect(table.size).toBe(map.size);
  const ids = (streams: Iterable<{ id: number }>) =>
    [...streams].map(({ id }) => id).sort((one, other) => one - other);
  expect(ids(table.values())).toEqual(ids(map.values()));
}

test.each([1, 2, 3, 4])("does as a map does, with ids in any order (%d)", (seed) => {
  const next = numbers(seed);
  const table = new StreamTable<{ id: number }>();
  const map = new Map<number, { id: number }>();
  for (let step = 0; step < 20_000; step += 1) {
    // Few ids, so that places collide; most steps of a stretch add, or take away.
    const id = 1 + 2 * next(seed * 200) + (next(4) === 0 ? 2 ** 30 : 0);
    if (next(10) < (step % 4000 < 2000 ? 7 : 3)) {
      if (!map.has(id)) {
        const stream = { id };
        map.set(id, stream);
        table.add(stream);
      }
    } else expect(table.delete(id)).toBe(map.delete(id));
    expect(table.get(id)).toBe(map.get(id));
    if (step % 500 === 0) compare(table, map);
  }
  for (const id of map.keys()) {
    expect(table.has(id)).toBe(true);
    table.delete(id);
  }
  expect(table.size).toBe(0);
  expect(table.values()).toEqual([]);
});

test("a million streams beside one that stays need no more room than two", () => {
  const table = new StreamTable<{ id: number }>();
  const lasting = { id: 1 };
  table.add(lasting);
  for (let id = 3; id < 2_000_000; id += 2) {
    table.add({ id });
    table.delete(id);
  }
  expect(table.get(1)).toBe(lasting);
  expect(table.values()).toEqual([lasting]);
});
