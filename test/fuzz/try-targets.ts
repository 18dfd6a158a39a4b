import { expect, test } from "vitest";
import { fuzz, replay } from "./fuzz.ts";
import { formatInput } from "./saved-input.ts";
import type { AnyTarget } from "./target.ts";

/** The same inputs at each run, so many of them. */
type Fixed = { readonly seed: number; readonly most: number };

/** Makes a test of each target, which takes so many milliseconds; `npm run test:fuzz` takes longer, and other inputs. */
export function tryTargets(
  targets: readonly AnyTarget[],
  milliseconds: number,
  fixed?: Fixed,
): void {
  test.for(targets.map((target) => [target.name, target] as const))(
    "%s: what once failed does not, and nothing new does",
    { timeout: 120_000 },
    async ([, target]) => {
      await replay(target);
      const { seed, most } = fixed ?? { seed: Date.now() % 2 ** 31, most: undefined };
      const { runs, failure } = await fuzz(target, { seed, milliseconds, most });
      if (failure !== undefined) {
        const again = `npm run test:fuzz -- --only ${target.name} --seed ${seed}`;
        throw new Error(`${again} finds:\n${formatInput(failure.input)}`, { cause: failure.error });
      }
      expect(runs).toBeGreaterThan(0);
    },
  );
}
