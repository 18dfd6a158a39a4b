import { expect, test } from "vitest";
import { partitionFor } from "../../../src/bindings/kafka/partitioner.ts";

// Reckoned from FNV-1a's published values: "a" is e40c292c, which as a signed number is -468965076.
test.each([
  ["", 7, 2],
  ["", 10, 5],
  ["a", 3, 0],
  ["a", 7, 6],
  ["a", 10, 6],
  ["foobar", 7, 4],
  ["foobar", 10, 6],
  ["order-1", 2, 1],
  ["order-1", 10, 9],
])("key %j of %i partitions goes to %i", (key, partitions, partition) => {
  expect(partitionFor(Buffer.from(key), partitions)).toBe(partition);
});

test("hashes bytes, not characters", () => {
  expect(partitionFor(Buffer.from([0xff, 0x00]), 7)).toBe(3);
});

test("without a key any partition is chosen", () => {
  const chosen = new Set(Array.from({ length: 500 }, () => partitionFor(undefined, 4)));
  expect([...chosen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
});
