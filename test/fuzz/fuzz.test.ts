import { expect, test } from "vitest";
import { formatInput, parseInput } from "./saved-input.ts";
import { targets, wireTargets } from "./targets/index.ts";
import { tryTargets } from "./try-targets.ts";

tryTargets(
  targets.filter((target) => !wireTargets.includes(target)),
  1500,
);

test("inputs are saved as they are", () => {
  const input = {
    text: "\ud800",
    bytes: Buffer.from([0, 255]),
    list: [undefined, null, 1n, Number.NaN, -0.5],
    ["__proto__"]: {},
  };
  expect(parseInput(formatInput(input))).toEqual(input);
});
