import { expect, test } from "vitest";
import type { Sighting } from "../../src/folder-watch/sighting.ts";
import { StableFiles } from "../../src/folder-watch/stable-files.ts";

function seen(path: string, version = "1", modified = 0n): Sighting {
  return { path, version, size: 1, modified };
}

function paths(files: readonly Sighting[]): string[] {
  return files.map(({ path }) => path);
}

test("a file is taken once it is stable, and only once", () => {
  const files = new StableFiles(1000);
  files.see(seen("a"), 0);
  files.see(seen("a"), 900);
  expect(files.nextDue).toBe(1000);
  expect(files.take(999)).toEqual([]);
  expect(paths(files.take(1000))).toEqual(["a"]);
  files.see(seen("a"), 1100);
  expect(files.take(9000)).toEqual([]);
  expect(files.nextDue).toBeUndefined();
});

test("a change restarts its quiet time", () => {
  const files = new StableFiles(1000);
  files.see(seen("a", "1"), 0);
  files.see(seen("a", "2"), 999);
  expect(files.take(1500)).toEqual([]);
  expect(paths(files.take(1999))).toEqual(["a"]);
});

test("the oldest come first", () => {
  const files = new StableFiles(0);
  files.see(seen("c", "1", 1n), 0);
  files.see(seen("b", "1", 2n), 0);
  files.see(seen("a", "1", 2n), 0);
  expect(paths(files.take(0))).toEqual(["c", "a", "b"]);
});

test("a released one waits again when it is seen, one to be taken again when it is due", () => {
  const files = new StableFiles(1000);
  files.see(seen("a"), 0);
  files.see(seen("b"), 0);
  files.take(1000);
  files.release("a");
  files.takeAgain(seen("b"), 5000);
  files.see(seen("a"), 2000);
  files.see(seen("b"), 2000);
  expect(paths(files.take(3000))).toEqual(["a"]);
  expect(paths(files.take(5000))).toEqual(["b"]);
});

test("one that is left is taken again only once it has changed", () => {
  const files = new StableFiles(1000);
  files.see(seen("a"), 0);
  files.take(1000);
  files.leave(seen("a"));
  files.see(seen("a"), 2000);
  expect(files.take(9000)).toEqual([]);
  files.see(seen("a", "2"), 9000);
  expect(paths(files.take(10_000))).toEqual(["a"]);
});

test("what is gone is forgotten, but not what is held", () => {
  const files = new StableFiles(1000);
  files.see(seen("gone"), 0);
  files.see(seen("held", "1", 1n), 0);
  files.take(1000);
  files.takeAgain(seen("gone"), 2000);
  files.keepOnly(new Set());
  expect(files.take(9000)).toEqual([]);
  files.see(seen("held"), 9000);
  expect(files.take(99_000)).toEqual([]);
});

test("files of one millisecond are taken in the order in which they were written", () => {
  const files = new StableFiles(0);
  files.see(seen("a", "1", 1_000_900n), 0);
  files.see(seen("b", "1", 1_000_100n), 0);
  expect(paths(files.take(0))).toEqual(["b", "a"]);
});
