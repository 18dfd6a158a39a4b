import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PrefetchWindow } from "../../../src/bindings/rabbitmq/prefetch-window.ts";

let active: Map<string, number>;
const failed = vi.fn<(reason: unknown) => void>();

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetAllMocks();
  active = new Map();
});

afterEach(() => {
  vi.useRealTimers();
});

function open(ceiling: number): PrefetchWindow {
  let count = 0;
  return new PrefetchWindow(
    {
      async add(prefetch) {
        const tag = `consumer ${++count}`;
        active.set(tag, prefetch);
        return tag;
      },
      async cancel(tag) {
        active.delete(tag);
      },
    },
    ceiling,
    failed,
    1000,
  );
}

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const sizes = (): number[] => [...active.values()];

test("grows by doubling at least, so that few consumers make a large window", async () => {
  const window = open(65_535);
  await window.open(64);
  expect(sizes()).toEqual([64]);
  for (let events = 64; events <= 10_064; events++) window.resize(events);
  await settled();
  expect(window.size).toBeGreaterThanOrEqual(10_064);
  expect(window.size).toBeLessThanOrEqual(2 * 10_064);
  expect(sizes().length).toBeLessThanOrEqual(8);
});

test("shrinks once the room was not needed for a while, never below the first consumer", async () => {
  const window = open(65_535);
  await window.open(10);
  window.resize(40);
  await settled();
  expect(sizes()).toEqual([10, 30]);
  window.resize(10);
  await vi.advanceTimersByTimeAsync(500);
  expect(sizes()).toEqual([10, 30]);
  // Needed again: nothing was cancelled, nothing is added.
  window.resize(40);
  await settled();
  window.resize(12);
  await vi.advanceTimersByTimeAsync(2000);
  expect(sizes()).toEqual([10, 30]);
  window.resize(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(sizes()).toEqual([10]);
});

test("never passes the ceiling", async () => {
  const window = open(50);
  await window.open(64);
  expect(sizes()).toEqual([50]);
  window.resize(500);
  await settled();
  expect(sizes()).toEqual([50]);

  const other = open(50);
  active.clear();
  await other.open(40);
  other.resize(500);
  await settled();
  expect(sizes()).toEqual([40, 10]);
});

test("stops all consumers, also one that is being started", async () => {
  const window = open(1000);
  await window.open(10);
  window.resize(100);
  await window.stop();
  expect(sizes()).toEqual([]);
  window.resize(500);
  await settled();
  expect(sizes()).toEqual([]);
  expect(failed).not.toHaveBeenCalled();
});

test("tells when the server refuses", async () => {
  const window = new PrefetchWindow(
    {
      add: vi.fn<() => Promise<string>>().mockResolvedValueOnce("one").mockRejectedValue("no"),
      cancel: async () => {},
    },
    1000,
    failed,
  );
  await window.open(10);
  window.resize(20);
  await settled();
  expect(failed).toHaveBeenCalledWith("no");
});
