// What was recorded of the matrix: every row has its twelve named cells, and each kept its promise.
import { join } from "node:path";
import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { guaranteeOf } from "./guarantee.ts";
import { sources } from "./matrix.ts";
import { nameOf, read, type Entry } from "./record.ts";

const recorded = await read(join(import.meta.dirname, "results.jsonl"));

/** All of them while events are received. */
const named = [
  ...["server killed", "server frozen 5 s", "server restarted"],
  ...["connections reset", "connections refused 5 s", "packets swallowed 5 s"],
  ...["credentials revoked 4 s", "app killed", "runtime killed"],
  ...['killed at "app answered"', 'killed at "before settle"', 'killed at "settled"'],
];

test.each(sources.map(({ name }) => name))("%s: its twelve named cells are recorded", (source) => {
  const binding = `bindings.${source.split("-", 1).join()}`;
  const isLossy = guaranteeOf(binding)?.lossy === true;
  const problems = named.flatMap((fault) => {
    const name = nameOf({ source, fault, phase: "receiving" });
    return problemsOf(recorded.get(name), isLossy).map((problem) => `${name}: ${problem}`);
  });
  expect(problems).toEqual([]);
});

test("an input that may be told of its objects has a row of that, too", () => {
  const notified = bindings.filter(({ metadata }) =>
    Object.keys(metadata).some((field) => /^notification(Queue|Subscription)$/.test(field)),
  );
  const rows = new Set(sources.map(({ name }) => name));
  expect(notified.map(({ name }) => name)).not.toEqual([]);
  expect(notified.filter(({ name }) => !rows.has(`${name}-notified`))).toEqual([]);
});

function problemsOf(entry: Entry | undefined, isLossy: boolean): string[] {
  if (entry === undefined) return ["it was not run"];
  if (entry.skipped !== undefined) return [];
  const { failures, produced = 0, lost = 0, reordered = 0, duplicates = 0, bound = 0 } = entry;
  return [
    ...failures,
    ...(produced > 0 ? [] : ["nothing was produced"]),
    ...(lost === 0 || isLossy ? [] : [`${lost} were lost`]),
    ...(reordered === 0 ? [] : [`${reordered} were out of order`]),
    ...(duplicates <= bound ? [] : [`${duplicates} were handled twice, above ${bound}`]),
  ];
}
