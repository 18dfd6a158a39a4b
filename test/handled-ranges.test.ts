import { expect, test } from "vitest";
import { decodeHandledRanges, encodeHandledRanges } from "../src/handled-ranges.ts";

const ranges = [
  { first: 102, last: 105 },
  { first: 107, last: 107 },
  { first: 5000, last: 5099 },
];

test("reads what it wrote", () => {
  const text = encodeHandledRanges(100, ranges, 3072);
  expect(text).toBe("cufflink:1:2.4,1.1,3rw.2s");
  expect(decodeHandledRanges(100, text)).toEqual(ranges);
  expect(encodeHandledRanges(100, [], 3072)).toBe("");
});

test("leaves out what does not fit, from the end", () => {
  const many = Array.from({ length: 5000 }, (_, i) => ({ first: 10 + i * 2, last: 10 + i * 2 }));
  const text = encodeHandledRanges(9, many, 3072);
  expect(text.length).toBeLessThanOrEqual(3072);
  expect(text.length).toBeGreaterThan(3060);
  const read = decodeHandledRanges(9, text);
  expect(read).toEqual(many.slice(0, read.length));
});

test.each([
  null,
  "",
  "cufflink:2:1.1",
  "from another client",
  "cufflink:1:",
  "cufflink:1:1",
  "cufflink:1:1.0",
  "cufflink:1:1.1,",
  "cufflink:1:-1.2",
])("reads nothing from %j", (text) => {
  expect(decodeHandledRanges(100, text)).toEqual([]);
});
