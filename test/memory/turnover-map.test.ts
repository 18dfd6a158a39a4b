import { expect, test } from "vitest";
import { TurnoverMap } from "../../src/memory/turnover-map.ts";
import { collectGarbage } from "../../src/memory/garbage-collection.ts";

test("gives back what was set last, and nothing that was deleted", () => {
  const map = new TurnoverMap<string, number>();
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  expect([map.get("a"), map.has("b"), map.size]).toEqual([3, true, 2]);
  expect(map.delete("a")).toBe(true);
  expect(map.delete("a")).toBe(false);
  expect([map.get("a"), map.has("a"), map.size]).toEqual([undefined, false, 1]);
  map.clear();
  expect([map.get("b"), map.size, [...map.values()]]).toEqual([undefined, 0, []]);
});

test("tells values in the order in which their keys came, wherever they are kept", () => {
  const map = new TurnoverMap<number, string>();
  for (const key of [1, 2, 3]) map.set(key, `${key}`);
  map.delete(1);
  map.set(4, "4");
  map.set(2, "two");
  map.set(1, "1");
  expect([...map.values()]).toEqual(["two", "3", "4", "1"]);
});

test("leaves out what is deleted while its values are told", () => {
  const map = new TurnoverMap<number, number>();
  for (const key of [1, 2, 3]) map.set(key, key);
  const told: number[] = [];
  for (const value of map.values()) {
    told.push(value);
    map.delete(2);
  }
  expect(told).toEqual([1, 3]);
});

test("what has left it does not stay until the next full collection, though its table became old", () => {
  const map = new TurnoverMap<number, object>();
  const before = process.memoryUsage().heapUsed;
  for (let key = 0; key < 50_000; key++) {
    map.set(
      key,
      Array.from({ length: 100 }, () => key),
    );
    map.delete(key - 1_000);
    // What lives through two collections is old.
    if (key === 2_000) for (const type of ["minor", "minor"] as const) collectGarbage(type);
  }
  collectGarbage("minor");
  // Of 40 MB that went through.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
});
