import { expect, test } from "vitest";
import type { ExtendedGroupProtocolSubscription } from "@platformatic/kafka";
import { assign, encodeOwned } from "../../../src/bindings/kafka/assignment.ts";

function members(
  read: Record<string, string[]>,
  owned: Record<string, Buffer> = {},
): Map<string, ExtendedGroupProtocolSubscription> {
  return new Map(
    Object.entries(read).map(([memberId, topics]) => [
      memberId,
      {
        memberId,
        version: 1,
        topics,
        ...(owned[memberId] === undefined ? {} : { metadata: owned[memberId] }),
      },
    ]),
  );
}

function places(...partitions: number[]): { topic: string; partition: number }[] {
  return partitions.map((partition) => ({ topic: "t", partition }));
}

function told(shares: ReturnType<typeof assign>): Record<string, string[]> {
  return Object.fromEntries(
    [...shares].map(([id, share]) => [
      id,
      share.map(({ topic, partition }) => `${topic}${partition}`).sort(),
    ]),
  );
}

test("range gives neighbours, topic by topic, to those who read it", () => {
  const shares = assign(
    "range",
    members({ b: ["t", "u"], a: ["t"] }),
    new Map([
      ["t", 5],
      ["u", 2],
    ]),
  );
  expect(told(shares)).toEqual({ a: ["t0", "t1"], b: ["t2", "t3", "t4", "u0", "u1"] });
});

test("roundrobin differs by one at most", () => {
  const shares = assign(
    "roundrobin",
    members({ a: ["t", "u"], b: ["t", "u"], c: ["t", "u"] }),
    new Map([
      ["t", 4],
      ["u", 4],
    ]),
  );
  expect([...shares.values()].map((share) => share.length).sort((a, b) => a - b)).toEqual([
    2, 3, 3,
  ]);
});

test.each(["range", "roundrobin", "sticky"] as const)(
  "%s gives each partition to exactly one",
  (strategy) => {
    const shares = assign(
      strategy,
      members({ a: ["t"], b: ["t", "u"], c: ["u"], d: ["x"] }),
      new Map([
        ["t", 7],
        ["u", 3],
      ]),
    );
    const all = [...shares.values()].flat().map(({ topic, partition }) => `${topic}${partition}`);
    expect(all.sort()).toEqual(["t0", "t1", "t2", "t3", "t4", "t5", "t6", "u0", "u1", "u2"]);
    expect(shares.get("d")).toEqual([]);
    expect(shares.get("c")?.every(({ topic }) => topic === "u")).toBe(true);
  },
);

test("sticky leaves what it can with whom it is, and takes only for a newcomer", () => {
  const owned = {
    a: encodeOwned(places(0, 2, 4), 3),
    b: encodeOwned(places(1, 3, 5), 3),
  };
  const shares = told(
    assign("sticky", members({ a: ["t"], b: ["t"], c: ["t"] }, owned), new Map([["t", 6]])),
  );
  expect(shares["a"]?.every((one) => ["t0", "t2", "t4"].includes(one))).toBe(true);
  expect(shares["b"]?.every((one) => ["t1", "t3", "t5"].includes(one))).toBe(true);
  expect(Object.values(shares).map((share) => share.length)).toEqual([2, 2, 2]);
});

test("of two who claim a partition the one of the later generation owns it; nonsense owns nothing", () => {
  const owned = {
    a: encodeOwned(places(0, 1), 2),
    b: encodeOwned(places(0), 5),
    c: Buffer.from("nonsense"),
  };
  const shares = told(
    assign("sticky", members({ a: ["t"], b: ["t"], c: ["t"] }, owned), new Map([["t", 3]])),
  );
  expect(shares).toEqual({ a: ["t1"], b: ["t0"], c: ["t2"] });
});
