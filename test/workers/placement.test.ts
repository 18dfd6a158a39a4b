import { expect, test } from "vitest";
import { place, type Placeable } from "../../src/workers/placement.ts";

const input = (name: string, more: Partial<Placeable> = {}): Placeable => ({
  ...{ name, reads: true, isAlone: true, together: undefined },
  ...more,
});

const ownersOf = (placed: ReturnType<typeof place>): (string | number)[][] =>
  [...placed].map(([name, { owner }]) => [name, owner]);

test("inputs are spread evenly, and stay where they are", () => {
  const first = place([input("a"), input("b"), input("c")], new Map(), 2);
  expect(ownersOf(first)).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 0],
  ]);
  const second = place([input("d"), input("b"), input("c"), input("e")], first, 2);
  expect(ownersOf(second)).toEqual([
    ["d", 0],
    ["b", 1],
    ["c", 0],
    ["e", 1],
  ]);
});

test("what is open in all workers weighs nothing, and keeps its reader when it becomes alone", () => {
  const out = input("out", { reads: false, isAlone: false });
  const placed = place([out, input("a"), input("b", { isAlone: false })], new Map(), 2);
  expect(ownersOf(placed)).toEqual([
    ["out", 0],
    ["a", 0],
    ["b", 1],
  ]);
  expect(place([input("b")], placed, 2).get("b")).toEqual({ owner: 1, isAlone: true, reads: true });
});

test("those that may share a port share a worker", () => {
  const hook = (name: string): Placeable => input(name, { together: "port" });
  const placed = place([hook("a"), input("b"), hook("c"), input("d")], new Map(), 2);
  expect(placed.get("c")?.owner).toBe(placed.get("a")?.owner);
  expect(placed.get("b")?.owner).not.toBe(placed.get("a")?.owner);
});
