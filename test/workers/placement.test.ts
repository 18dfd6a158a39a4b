import { expect, test } from "vitest";
import { place, type Placeable } from "../../src/workers/placement.ts";
import { Routes } from "../../src/workers/routes.ts";

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

test("what spreads itself is read in every worker, and weighs nothing", () => {
  const orders = input("orders", { isAlone: false, spreads: true });
  const placed = place([orders, input("a"), input("b")], new Map(), 2);
  expect(placed.get("orders")).toEqual({ owner: 0, isAlone: false, reads: true, spreads: true });
  expect(placed.get("a")?.owner).toBe(0);
  expect(placed.get("b")?.owner).toBe(1);
  const send = async (): Promise<undefined> => undefined;
  const routes = [0, 1, 2].map((worker) => new Routes(worker, 3, send));
  for (const one of routes) one.take(placed);
  expect(routes.map((one) => one.reads("orders"))).toEqual([true, true, true]);
  expect(routes.map((one) => one.share("orders", 64))).toEqual([22, 21, 21]);
  expect(routes.map((one) => one.share("a", 64))).toEqual([64, 64, 64]);
});
