import { expect, test } from "vitest";
import { ByteParts } from "../src/byte-parts.ts";

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
  const body = Buffer.from("whole");
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
  const taken = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  expect(taken).toBeLessThan(20_000_000);
  expect(parts.whole()).toHaveLength(1_000_000);
});

const oneByte = Buffer.from("x");

test("cleared, it begins anew", () => {
  const { parts } = gather(1, 2, 3);
  parts.clear();
  parts.add(Buffer.from("new"));
  expect([parts.size, parts.whole().toString()]).toEqual([3, "new"]);
});
