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

test.each([
  ["bindings.aws.s3", "bindings.mqtt3"],
  ["bindings.http", "bindings.mqtt3"],
  ["orders-in", "orders-out"],
  ["shop.eu", "shop.us"],
  ["on", "id"],
  ["consumeRetryEnabled", "consumeRetryInterval"],
])("%j is not near %j, whatever they share", (name, candidate) => {
  expect(closest(name, [candidate])).toBeUndefined();
});

test.each([
  ["bindings.kafak", "bindings.kafka"],
  ["orders-im", "orders-in"],
  ["--ap-port", "--app-port"],
  ["app_port", "app-port"],
  ["ticks", "tick"],
  ["tick", "ticks"],
])("%j is near %j", (name, candidate) => {
  expect(closest(name, ["something-else", candidate])).toBe(candidate);
});

test("is not slowed by huge names", () => {
  const names = Array.from({ length: 1000 }, (_, index) => `field${index}`);
  expect(closest("x".repeat(1_000_000), names)).toBeUndefined();
});
