import { expect, test } from "vitest";
import { ByteParts, releaseBlocks } from "../../src/memory/byte-parts.ts";
import { collectGarbage } from "../../src/memory/garbage-collection.ts";
import { until } from "../until.ts";

function gather(...sizes: number[]): { parts: ByteParts; sent: Buffer } {
  const parts = new ByteParts();
  let next = 0;
  const sent = sizes.map((size) => Buffer.from(Array.from({ length: size }, () => next++ % 251)));
  for (const one of sent) parts.add(one);
  return { parts, sent: Buffer.concat(sent) };
}

test.each([
  ["nothing", []],
  ["an empty part", [0]],
  ["one part", [10]],
  ["small ones", [1, 2, 3, 4000, 4095, 4095, 4095, 4095, 1]],
  ["large ones", [5000, 4096, 100_000]],
  ["both by turns", [1, 4096, 1, 4096, 4095, 20_000, 1, 1, 5000, 1]],
])("%s", (_, sizes) => {
  const { parts, sent } = gather(...sizes);
  expect(parts.size).toBe(sent.length);
  expect(parts.whole().equals(sent)).toBe(true);
});

test("a body of one part is not copied", () => {
  const parts = new ByteParts();
  const body = Buffer.alloc(100_000);
  parts.add(body);
  expect(parts.whole()).toBe(body);
});

test("a million parts of one byte take up about a megabyte", () => {
  const before = process.memoryUsage();
  const parts = new ByteParts();
  for (let count = 0; count < 1_000_000; count++) parts.add(oneByte);
  const after = process.memoryUsage();
  expect(parts.size).toBe(1_000_000);
  // As objects of their own they would be some hundred.
  expect(parts.room).toBeLessThan(1_100_000);
  const taken = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  expect(taken).toBeLessThan(80_000_000);
  expect(parts.whole()).toHaveLength(1_000_000);
  parts.clear();
});

const oneByte = Buffer.from("x");

test("a part is kept without what it is a corner of", () => {
  const keptOf = (size: number): number => {
    const parts = new ByteParts();
    parts.add(Buffer.alloc(64 * 1024).subarray(0, size));
    return parts.whole().buffer.byteLength;
  };
  expect(keptOf(4096)).toBe(4096);
  // Small ones share a piece.
  expect(keptOf(5)).toBeLessThanOrEqual(8 * 1024);
});

test("small parts that share a piece keep their bytes", () => {
  const read = Buffer.alloc(64 * 1024);
  const kept = Array.from({ length: 100 }, (_, number) => {
    const parts = new ByteParts();
    read.fill(number);
    parts.add(read.subarray(0, 300));
    return parts.whole();
  });
  for (const [number, bytes] of kept.entries()) expect(bytes).toEqual(Buffer.alloc(300, number));
});

test("what is cleared is used again, and given back when nothing is left", async () => {
  const before = process.memoryUsage().arrayBuffers;
  const taken = (): number => process.memoryUsage().arrayBuffers - before;
  const half = Buffer.alloc(20 * 1024 * 1024);
  for (let round = 0; round < 5; round++) {
    const parts = new ByteParts();
    parts.add(half);
    parts.add(half);
    expect(parts.size).toBe(40 * 1024 * 1024);
    parts.clear();
    expect(parts.room).toBe(0);
  }
  releaseBlocks();
  const isFree = (): boolean => {
    collectGarbage("major");
    return taken() < 1.5 * half.length;
  };
  await until(isFree, { what: () => `${taken()} bytes to be given back` });
});

test("what is forgotten is given back, too", async () => {
  const before = process.memoryUsage().arrayBuffers;
  const taken = (): number => process.memoryUsage().arrayBuffers - before;
  const part = Buffer.alloc(1024 * 1024);
  for (let count = 0; count < 200; count++) {
    const parts = new ByteParts();
    parts.add(part);
    parts.add(part);
  }
  const isFree = async (): Promise<boolean> => {
    collectGarbage("major");
    await new Promise(setImmediate);
    releaseBlocks();
    return taken() < 100 * part.length;
  };
  await until(isFree, { what: () => `${taken()} bytes to be given back` });
});

test("taken or cleared, it begins anew", () => {
  const { parts } = gather(1, 2, 3);
  parts.clear();
  parts.add(Buffer.from("new"));
  expect([parts.size, parts.whole().toString()]).toEqual([3, "new"]);
});
