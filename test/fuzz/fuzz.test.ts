import { expect, test } from "vitest";
import { fuzz, replay } from "./fuzz.ts";
import { formatInput, parseInput } from "./saved-input.ts";
import { targets } from "./targets/index.ts";

/** For each target; `npm run test:fuzz` takes longer. */
const milliseconds = 1500;

test.for(targets.map((target) => [target.name, target] as const))(
  "%s: what once failed does not, and nothing new does",
  { timeout: 120_000 },
  async ([, target]) => {
    await replay(target);
    const seed = Date.now() % 2 ** 31;
    const { runs, failure } = await fuzz(target, { seed, milliseconds });
    if (failure !== undefined) {
      const again = `npm run test:fuzz -- --only ${target.name} --seed ${seed}`;
      throw new Error(`${again} finds:\n${formatInput(failure.input)}`, { cause: failure.error });
    }
    expect(runs).toBeGreaterThan(0);
  },
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
