import { expect, test } from "vitest";
import type { Row } from "../../../../src/bindings/aws/aws.kinesis/lease-table.ts";
import { timeOf, timeText } from "../../../../src/bindings/aws/aws.kinesis/lease-time.ts";
import {
  Lineage,
  Observations,
  planOf,
  type Sharing,
} from "../../../../src/bindings/aws/aws.kinesis/shard-plan.ts";
import type { Shard } from "../../../../src/bindings/aws/aws.kinesis/stream.ts";

const now = Date.parse("2026-11-30T12:00:00Z");
const shard = (id: string, more: Partial<Shard> = {}): Shard => ({
  ...{ id, parents: [], first: "1", isClosed: false, ...more },
});

function row(id: string, more: Partial<Row> = {}): Row {
  const nothing = { owner: undefined, timeout: undefined, checkpoint: undefined };
  return { shard: id, ...nothing, claim: undefined, start: undefined, ...more };
}

const heldBy = (id: string, owner: string, more: Partial<Row> = {}): Row =>
  row(id, { owner, timeout: timeText(now + 5_000), checkpoint: "7", ...more });

function share(rows: readonly Row[], more: Partial<Sharing> = {}): string {
  const plan = planOf({
    rows: new Map(rows.map((one) => [one.shard, one])),
    ready: rows.map(({ shard: id }) => shard(id)),
    ...{ worker: "cufflink-me", held: new Set<string>(), consumer: "shop" },
    ...{ leaseDuration: 10_000, unchanged: () => 60_000, now, random: 0 },
    ...more,
  });
  return `take ${plan.take.map((one) => one.shard).join()} claim ${plan.claim?.shard ?? ""}`;
}

const justSeen = { unchanged: () => 0 };

test.each<[string, readonly Row[], Partial<Sharing>, string]>([
  ["all that is free, where nobody else is", [row("a"), row("b")], {}, "take a,b claim "],
  ["its part beside others", [row("a"), row("b"), heldBy("c", "x")], justSeen, "take a,b claim "],
  [
    "no more than its part",
    [row("a"), row("b"), row("c"), heldBy("d", "x")],
    justSeen,
    "take a,b claim ",
  ],
  [
    "what nobody has taken for long",
    [row("a"), row("b"), row("c"), heldBy("d", "x")],
    { unchanged: (id) => (id === "d" ? 0 : 60_000) },
    "take a,b,c claim ",
  ],
  ["what it has itself", [heldBy("a", "cufflink-me")], justSeen, "take a claim "],
  ["nothing that is renewed", [heldBy("a", "x")], justSeen, "take  claim "],
  [
    "what has ended",
    [heldBy("a", "x", { timeout: timeText(now - 1) })],
    { unchanged: () => 4_000 },
    "take a claim ",
  ],
  [
    "nothing that has ended by this clock alone",
    [heldBy("a", "x", { timeout: timeText(now - 1) })],
    { unchanged: () => 1_000 },
    "take  claim ",
  ],
  [
    "what nobody renews, whatever its time",
    [heldBy("a", "x", { timeout: timeText(now + 9_000_000) })],
    {},
    "take a claim ",
  ],
  [
    "what was claimed by itself",
    [row("a", { claim: "cufflink-me" }), heldBy("b", "x")],
    justSeen,
    "take a claim ",
  ],
  [
    "nothing that another of the library has claimed",
    [row("a", { claim: "w", timeout: timeText(now - 60_000) })],
    {},
    "take  claim ",
  ],
  [
    "what who has claimed it does not take",
    [row("a", { claim: "cufflink-x", timeout: timeText(now - 21_000) })],
    {},
    "take a claim ",
  ],
])("a reader takes %s", (_what, rows, more, expected) => {
  expect(share(rows, more)).toBe(expected);
});

test.each<[string, readonly Row[], Partial<Sharing>, string]>([
  [
    "the one that has most",
    [heldBy("a", "x"), heldBy("b", "y"), heldBy("c", "y"), heldBy("d", "y")],
    justSeen,
    "b",
  ],
  ["nobody, with as many shards as readers", [heldBy("a", "x")], justSeen, ""],
  [
    "nobody, with its part",
    [heldBy("a", "x"), heldBy("b", "x")],
    { ...justSeen, held: new Set(["c"]), ready: ["a", "b", "c"].map((id) => shard(id)) },
    "",
  ],
  ["no worker of Dapr", [heldBy("a", "shop"), heldBy("b", "shop")], justSeen, ""],
  ["nobody twice", [heldBy("a", "x", { claim: "cufflink-me" }), heldBy("b", "x")], justSeen, ""],
])("a reader asks %s", (_what, rows, more, expected) => {
  expect(share(rows, more)).toBe(`take  claim ${expected}`);
});

function lineage(
  shards: readonly Shard[],
  rows: readonly Row[],
  initial: "newest" | "oldest" = "newest",
) {
  return new Lineage({ shards, rows: new Map(rows.map((one) => [one.shard, one])), initial });
}

const ids = (shards: readonly Shard[]): string[] => shards.map(({ id }) => id);
const split = [
  shard("p", { isClosed: true }),
  shard("l", { parents: ["p"] }),
  shard("r", { parents: ["p"] }),
];

test("what ended before the consumer began is not read, unless it begins with the oldest", () => {
  expect(ids(lineage(split, []).ready)).toEqual(["l", "r"]);
  expect(
    lineage(split, [])
      .unknown(now)
      .map(({ shard: { id }, start }) => [id, start]),
  ).toEqual([
    ["l", "2026-11-30T12:00:00Z"],
    ["r", "2026-11-30T12:00:00Z"],
  ]);
  expect(ids(lineage(split, [], "oldest").ready)).toEqual(["p"]);
});

test("children wait for their parent, and begin at their starts", () => {
  const before = lineage(split, [row("p", { checkpoint: "7" })]);
  expect(ids(before.ready)).toEqual(["p"]);
  expect(new Set(before.unknown(now).map(({ start }) => start))).toEqual(new Set(["TRIM_HORIZON"]));
  const after = lineage(split, [row("p", { checkpoint: "SHARD_END" })]);
  expect(ids(after.ready)).toEqual(["l", "r"]);
});

test("who was made by a merge waits for both", () => {
  const merged = [
    shard("a", { isClosed: true }),
    shard("b", { isClosed: true }),
    shard("m", { parents: ["a", "b"] }),
  ];
  const half = [row("a", { checkpoint: "SHARD_END" }), row("b", { checkpoint: "7" })];
  expect(ids(lineage(merged, half).ready)).toEqual(["b"]);
});

test("a parent that the stream has no more is waited for no more; its row goes once its children have theirs", () => {
  const left = [shard("l", { parents: ["p"] })];
  const ended = row("p", { checkpoint: "SHARD_END" });
  expect(ids(lineage(left, [ended]).ready)).toEqual(["l"]);
  expect(lineage(left, [ended]).outlived).toEqual([]);
  expect(lineage(left, [ended, row("l")]).outlived).toEqual(["p"]);
  expect(lineage(left, [row("p", { checkpoint: "7" }), row("l")]).outlived).toEqual([]);
});

test("shards that name each other as their parents are no endless loop", () => {
  const loop = [shard("a", { parents: ["b"] }), shard("b", { parents: ["a"] })];
  expect(lineage(loop, []).unknown(now)).toHaveLength(2);
});

test("a lease that is renewed is seen anew", () => {
  const seen = new Observations();
  const lease = heldBy("a", "x");
  seen.look([lease], 100);
  seen.look([lease], 400);
  expect(seen.unchanged("a", 500)).toBe(400);
  seen.look([{ ...lease, timeout: timeText(now + 6_000) }], 600);
  expect(seen.unchanged("a", 700)).toBe(100);
});

test.each([
  [0, "2026-11-30T12:00:00Z"],
  [120, "2026-11-30T12:00:00.12Z"],
  [123, "2026-11-30T12:00:00.123Z"],
])("times are written as Go writes them", (milliseconds, text) => {
  expect(timeText(now + milliseconds)).toBe(text);
  expect(timeOf(text)).toBe(now + milliseconds);
});

test("Go's nine digits are read, and what is no time is none", () => {
  expect(timeOf("2026-11-30T12:00:00.123456789Z")).toBe(now + 123);
  expect(timeOf("TRIM_HORIZON")).toBeUndefined();
  expect(timeOf(undefined)).toBeUndefined();
});
