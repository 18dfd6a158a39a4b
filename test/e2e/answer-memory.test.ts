import { describe, expect, test } from "vitest";
import { answersOf, attacks, measure } from "../reliability/answer-attacks.ts";

// Some seconds of what `node test/reliability/answer-memory.ts` does for some minutes.

describe.each(attacks.filter(({ name }) => name !== "output-calls"))("$title", (attack) => {
  test("take no more memory than they may, and give it back", async () => {
    const flags = ["--memory-budget", "32Mi", "--log-level", "error"];
    // It resolves only once the memory is within 64 MiB of what it was.
    const { before, peak, connections, slowestHealth } = await measure(attack, answersOf(60, 8), {
      duration: 2500,
      flags,
    });
    expect(connections).toBeGreaterThan(0);
    // Without a bound it would be 480 MiB more, and the copies of that.
    expect(peak).toBeLessThan(before + 200);
    expect(slowestHealth).toBeLessThan(5000);
  });
});
