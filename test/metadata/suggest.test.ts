import { expect, test } from "vitest";
import { closest } from "../../src/metadata/suggest.ts";

test.each([
  ["kafak", "kafka"],
  ["REDIS", "redis"],
  ["redi", "redis"],
  ["postgres", undefined],
  ["", undefined],
])("%j means %j", (name, meant) => {
  expect(closest(name, ["kafka", "redis", "mqtt3"])).toBe(meant);
});

test("takes the nearest, and the first of equals", () => {
  expect(closest("redisHots", ["redisPort", "redisHost", "redisHosts"])).toBe("redisHost");
});

test("is not slowed by huge names", () => {
  const names = Array.from({ length: 1000 }, (_, index) => `field${index}`);
  expect(closest("x".repeat(1_000_000), names)).toBeUndefined();
});
