import * as driver from "@platformatic/kafka";
import { expect, test } from "vitest";
import { boundUnpacking, largestBatch } from "../../../src/bindings/kafka/unpacking.ts";

boundUnpacking(driver);
boundUnpacking(driver);

const kinds = ["gzip", "snappy", "lz4", "zstd"] as const;

test.each(kinds)("%s: what is as large as it may be is unpacked as it was", (kind) => {
  const { compressSync, decompressSync } = driver.compressionsAlgorithms[kind];
  for (const data of [Buffer.from("hello"), Buffer.alloc(20 * 1024 * 1024, "abc")]) {
    expect(decompressSync(compressSync(data)).equals(data)).toBe(true);
  }
});

test.each(kinds)("%s: what unpacks to more is refused before it is there", (kind) => {
  const { compressSync, decompressSync } = driver.compressionsAlgorithms[kind];
  const packed = compressSync(Buffer.alloc(largestBatch + 1));
  const before = process.memoryUsage().arrayBuffers;
  expect(() => decompressSync(packed)).toThrow(
    `a batch of records unpacks to more than ${largestBatch} bytes`,
  );
  if (kind === "snappy" || kind === "lz4")
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});

test("snappy as Java's clients frame it counts block by block", () => {
  const { compressSync, decompressSync } = driver.compressionsAlgorithms.snappy;
  const block = compressSync(Buffer.alloc(32 * 1024 * 1024));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(block.length);
  const head = Buffer.concat([
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]),
    Buffer.alloc(8),
  ]);
  const blocks = (count: number): Buffer =>
    Buffer.concat([head, ...Array.from({ length: count }, () => [length, block]).flat()]);
  expect(decompressSync(blocks(2))).toHaveLength(64 * 1024 * 1024);
  expect(() => decompressSync(blocks(5))).toThrow("unpacks to more than");
});
