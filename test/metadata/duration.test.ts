import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/metadata/duration.ts";

test.each([
  ["300ms", 300],
  ["-1.5h", -5_400_000],
  ["2h45m", 9_900_000],
  ["1µs", 0.001],
  [".5s", 500],
  ["+5s", 5000],
  ["7", 7000],
  ["", 0],
])("%j is %d ms", (text, value) => {
  expect(parseDuration(text, 1000)).toBeCloseTo(value, 9);
});

test.each(["5d", "s", "5 s", "1h-5m", "1e3s", "five"])("%j is no duration", (text) => {
  expect(parseDuration(text, 1000)).toBeUndefined();
});

test.each([0, 250, 5000, 90_000, 3_600_000, 5_025_500, -1500])(
  "%d ms survive formatting",
  (value) => {
    expect(parseDuration(formatDuration(value), 1)).toBe(value);
  },
);
