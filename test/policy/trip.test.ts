import { expect, test } from "vitest";
import { compileTrip, type Counts } from "../../src/policy/trip.ts";

function compile(text: string): (counts: Counts) => boolean {
  const compiled = compileTrip(text);
  if ("problem" in compiled) expect.fail(compiled.problem.message);
  return compiled.trip;
}

const counts: Counts = {
  requests: 20,
  totalSuccesses: 8,
  totalFailures: 12,
  consecutiveSuccesses: 0,
  consecutiveFailures: 6,
};

test.each([
  ["consecutiveFailures > 5", true],
  ["consecutiveFailures >= 7", false],
  ["consecutiveFailures > 5.5", true],
  ["consecutiveFailures == 6 ? totalFailures > 10 : false", true],
  ["requests >= 20 && double(totalFailures) / double(requests) > 0.5", true],
  ["requests >= 20 && totalFailures * 100 / requests > 60", false],
  ["totalFailures > 10 || consecutiveFailures in [5, 6]", true],
  ["!(totalSuccesses > 8) && consecutiveSuccesses == 0", true],
  ["[totalFailures, requests].exists(x, x > 19)", true],
  ["true", true],
])("%s: %s", (text, opens) => {
  expect(compile(text)(counts)).toBe(opens);
});

test("one that fails on some counts does not open", () => {
  const trip = compile("totalFailures > 1000 && requests / (totalFailures - 1001) > 0");
  expect(trip({ ...counts, totalFailures: 1001 })).toBe(false);
  expect(trip({ ...counts, totalFailures: 1002, requests: 2000 })).toBe(true);
});

test.each([
  ["consecutiveFailure > 5", 0, 18, /knows no "consecutiveFailure"/],
  ["requests > 5 && failures > 2", 16, 24, /knows no "failures"/],
  ["consecutiveFailures = 5", 20, 21, /unexpected character: =/],
  ["consecutiveFailures >", 21, 22, /unexpected token/],
  ["requests + 1", 0, 12, /gives a number/],
  ["'yes'", 0, 5, /gives a text/],
  ["[1]", 0, 3, /gives something else/],
  ["totalFailures * 1.0 > 2.0", 0, 19, /no such overload/],
  ["1 / 0 > 1", 0, 5, /division by zero/],
  ["requests.size() > 1", 0, 15, /no matching overload/],
  ["", 0, 1, /no expression/],
])("%j is a problem from %i to %i", (text, start, end, message) => {
  const compiled = compileTrip(text);
  if ("trip" in compiled) expect.fail("it compiled");
  expect(compiled.problem.message).toMatch(message);
  expect([compiled.problem.start, compiled.problem.end]).toEqual([start, end]);
});

test.each([
  ["100,000 brackets", "(".repeat(100_000)],
  ["10,000 brackets that are closed", `${"(".repeat(10_000)}true${")".repeat(10_000)}`],
  ["a megabyte", `requests > 1 ${"&& requests > 1 ".repeat(60_000)}`],
  ["nested loops", "[1,2,3,4].all(a, ".repeat(40) + "true" + ")".repeat(40)],
  ["a pattern", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a+)+$')"],
  ["a nul", "requests > \u0000"],
  ["half a character", "requests > '\ud83d'"],
])("%s ends nothing", (_, text) => {
  const compiled = compileTrip(text);
  if ("problem" in compiled) expect(compiled.problem.message.length).toBeLessThan(1000);
  else expect(compiled.trip(counts)).toBeTypeOf("boolean");
});
