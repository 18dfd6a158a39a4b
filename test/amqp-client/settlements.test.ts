import { expect, test } from "vitest";
import { dispositionsOf, type Outcome } from "../../src/amqp-client/settlements.ts";

const noted = (...entries: [number, Outcome][]) => new Map(entries);

test("an outcome is said of exactly those that have it", () => {
  const outcomes: Outcome[] = ["accepted", "released", "modified"];
  // All 243 combinations of five neighbours.
  for (let n = 0; n < 3 ** 5; n++) {
    const all = noted(
      ...[0, 1, 2, 3, 4].map((id): [number, Outcome] => [
        id,
        outcomes[Math.floor(n / 3 ** id) % 3] ?? "accepted",
      ]),
    );
    const said = new Map<number, Outcome>();
    for (const { first, last, outcome } of dispositionsOf(all))
      for (let id = first; id <= last; id++) said.set(id, outcome);
    expect(said).toEqual(all);
  }
});

test("neighbours of one outcome share a frame, in whatever order they were noted", () => {
  expect(dispositionsOf(noted([3, "accepted"], [1, "accepted"], [2, "accepted"]))).toEqual([
    { first: 1, last: 3, outcome: "accepted" },
  ]);
});

test("what lies between two is said nothing of", () => {
  expect(dispositionsOf(noted([1, "accepted"], [3, "accepted"], [4, "released"]))).toEqual([
    { first: 1, last: 1, outcome: "accepted" },
    { first: 3, last: 3, outcome: "accepted" },
    { first: 4, last: 4, outcome: "released" },
  ]);
});
