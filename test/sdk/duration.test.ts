import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { durationOf, millisecondsOf } from "../../src/sdk/duration.ts";

test.each([
  [0, 0n, 0],
  [1, 0n, 1_000_000],
  [1500, 1n, 500_000_000],
  [1999.999_999_9, 1n, 999_999_999],
  [Infinity, 31_536_000n, 0],
])("%s ms are %s s and %s ns", (milliseconds, seconds, nanos) => {
  expect(durationOf(milliseconds)).toEqual({ seconds, nanos });
});

test("what the wire says comes back in milliseconds", () => {
  const duration = create(DurationSchema, { seconds: 2n, nanos: 250_000_000 });
  expect(millisecondsOf(duration)).toBe(2250);
});
