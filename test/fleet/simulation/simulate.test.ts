import { expect, test } from "vitest";
import { simulate } from "./simulate.ts";

test("a fleet of ten replicas fails over within five seconds, and never has two owners", async () => {
  const result = await simulate({ replicas: 10, components: 60, seed: 3 });
  expect(result.overlaps).toBe(0);
  expect(result.evened).toMatchObject({ most: 6 });
  expect(result.evened?.longestGap).toBeLessThan(1_000);
  expect(result.steady.renewalsTold).toBeCloseTo(600, -2);
  expect(result.oneKilled.longest).toBeLessThan(5_000);
  expect(result.tenthKilled.longest).toBeLessThan(5_000);
  expect(result.leaderLost.longest).toBeLessThan(20_000);
});

test("the same seed gives the same answer", async () => {
  const options = { replicas: 4, components: 12, seed: 5 };
  expect(await simulate(options)).toEqual(await simulate(options));
});
