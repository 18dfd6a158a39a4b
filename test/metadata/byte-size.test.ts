import { expect, test } from "vitest";
import { formatByteSize, parseByteSize } from "../../src/metadata/byte-size.ts";

test.each([
  ["512", 512],
  ["64k", 64_000],
  ["4Mi", 4 * 2 ** 20],
  ["1e3", 1000],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["1.005k", 1005],
  [".5Ki", 512],
  ["1000e-3", 1],
  ["-2k", -2000],
  ["0", 0],
])("%s is %d bytes", (text, value) => {
  expect(parseByteSize(text)).toBe(value);
});

test.each(["", "K", "4K", "4MB", "0.1", "1.0001k", "9E", "1e999", "1e9999999", "0x10", "4 Mi"])(
  "%j is no size",
  (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  },
);

test.each([
  [0, "0"],
  [1536, "1536"],
  [4 * 1024 * 1024, "4Mi"],
  [1024, "1Ki"],
  [3 * 1024 ** 3, "3Gi"],
])("%i bytes are written as %s", (bytes, text) => {
  expect(formatByteSize(bytes)).toBe(text);
  expect(parseByteSize(text)).toBe(bytes);
});
