import { expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { contradictions, readRecords, type SystemRecord } from "./record.ts";
import { versions } from "./versions.ts";

const [first] = bindings;
if (first === undefined) throw new Error("there are no bindings");
const claiming = (provedBy: NonNullable<AnyBinding["provedBy"]>): AnyBinding => ({
  ...first,
  ...{ name: "orders", provedBy },
});
const record: SystemRecord = {
  ...{ type: "orders", system: "PostgreSQL", kind: "real", version: "15.1" },
  ...{ suite: ["test/bindings/orders/"], tests: 3, commit: "0123456789ab", date: "2026-11-30" },
};

test("a claim without a record, a record without a claim and a binding without a claim are found", () => {
  const claim = { system: "PostgreSQL", kind: "real" } as const;
  expect(contradictions([claiming([claim])], [record])).toEqual([]);
  expect(contradictions([claiming([claim])], [])).toEqual([
    "orders: PostgreSQL (real) is claimed and not recorded: run `npm run test:systems`",
  ]);
  const emulator = claiming([{ system: "PostgreSQL", kind: "emulator" }]);
  expect(contradictions([emulator], [record])).toHaveLength(2);
  expect(contradictions([claiming([])], [])).toEqual([
    "orders does not say what it was tested with: declare provedBy",
  ]);
});

test("every claim has a record, and every system but a stand-in can tell its version", () => {
  expect(contradictions(bindings, readRecords())).toEqual([]);
  const proofs = bindings.flatMap(({ provedBy = [] }) => provedBy);
  const real = proofs.filter(({ kind }) => kind !== "stand-in").map(({ system }) => system);
  expect([...new Set(real)].filter((system) => !(system in versions))).toEqual([]);
});
