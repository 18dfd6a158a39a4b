import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, type HeapSpaceInfo, setFlagsFromString } from "node:v8";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  collectWhenQuiet,
  keepYoungSmall,
  makeRoomForStreams,
} from "../../src/memory/garbage-collection.ts";

vi.mock("node:v8", { spy: true });
vi.mock("node:perf_hooks", { spy: true });

const mebi = 1024 * 1024;
let state = { reserved: 0, used: 0, resident: 80 * mebi };
let collections = 0;
let end = (): void => undefined;

beforeEach(() => {
  vi.useFakeTimers();
  young(64 * mebi);
  state = { reserved: 0, used: 0, resident: 80 * mebi };
  collections = 0;
  const budget = {
    get reserved() {
      return state.reserved;
    },
    get used() {
      return state.used;
    },
  };
  end = collectWhenQuiet(
    budget,
    () => collections++,
    () => state.resident,
  );
});

afterEach(() => {
  end();
  // What waits for more room has it now.
  young(64 * mebi);
  collected();
  vi.useRealTimers();
});

/** So much time goes by that it is looked once. */
function look(): number {
  vi.advanceTimersByTime(10_000);
  return collections;
}

test("nothing is collected while little has come", () => {
  state.resident += 20 * mebi;
  expect(look()).toBe(0);
});

test("what has come is collected once nothing more comes", () => {
  state = { reserved: 200 * mebi, used: 0, resident: 300 * mebi };
  expect(look()).toBe(0);
  expect(look()).toBe(1);
  expect(look()).toBe(1);
});

test("what was still held at a collection is collected once it is let go", () => {
  state = { reserved: 200 * mebi, used: 200 * mebi, resident: 300 * mebi };
  look();
  expect(look()).toBe(1);
  state.used = 0;
  expect(look()).toBe(2);
  expect(look()).toBe(2);
});

test("what the system got back meanwhile counts again when it is taken anew", () => {
  state = { reserved: 200 * mebi, used: 200 * mebi, resident: 300 * mebi };
  look();
  expect(look()).toBe(1);
  state.resident = 90 * mebi;
  look();
  state.resident = 130 * mebi;
  expect(look()).toBe(2);
});

const factor = "--semi-space-growth-factor";

/** As if the engine had collected what is young. */
function collected(): void {
  for (const [told] of vi.mocked(PerformanceObserver).mock.calls) (told as () => void)();
}

/** As if the engine had given what is young so many bytes. */
function young(bytes: number): void {
  const space = { space_name: "new_space", space_used_size: 0, space_available_size: bytes };
  vi.mocked(getHeapSpaceStatistics).mockReturnValue([space as HeapSpaceInfo]);
}

test("what is young may grow once a start has ended, until it is large enough", () => {
  young(mebi);
  const end = keepYoungSmall();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=1`);
  end();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=2`);
  vi.mocked(setFlagsFromString).mockClear();
  vi.advanceTimersByTime(60_000);
  expect(setFlagsFromString).not.toHaveBeenCalled();
  collected();
  expect(setFlagsFromString).not.toHaveBeenCalled();
  young(4 * mebi);
  collected();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=1`);
});

test("what is young may grow though a start does not end, and again once a collection has made it small", () => {
  young(mebi);
  keepYoungSmall();
  vi.advanceTimersByTime(9_999);
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=1`);
  vi.advanceTimersByTime(1);
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=2`);
  setFlagsFromString(`${factor}=1`);
  state = { reserved: 200 * mebi, used: 0, resident: 300 * mebi };
  look();
  expect(look()).toBe(1);
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=2`);
});

test("with event streams there is room for more", () => {
  young(mebi);
  keepYoungSmall()();
  young(4 * mebi);
  collected();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=1`);
  makeRoomForStreams();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=2`);
  young(8 * mebi);
  collected();
  expect(setFlagsFromString).toHaveBeenLastCalledWith(`${factor}=1`);
});
