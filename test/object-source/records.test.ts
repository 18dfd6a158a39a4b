import { expect, test, vi } from "vitest";
import { sharedSettlement } from "../../src/object-source/records.ts";
import type { Settlement } from "../../src/reading.ts";

const handled = { outcome: "handled" } as const;

function settled(records: number, ...settlements: Settlement[]) {
  const settle = vi.fn<(settlement: Settlement) => void>();
  const one = sharedSettlement(records, settle);
  for (const settlement of settlements) one(settlement);
  return settle.mock.calls.map(([settlement]) => settlement);
}

test("a message is settled once all of its records are", () => {
  expect(settled(3, handled, handled)).toEqual([]);
  expect(settled(3, handled, handled, handled)).toEqual([handled]);
});

test("one that was returned returns the message, after the longest pause", () => {
  const first = { outcome: "returned", reason: "first", after: 5, unattempted: true } as const;
  const second = { outcome: "returned", reason: "second", after: 9 } as const;
  expect(settled(3, first, handled, second)).toEqual([
    { outcome: "returned", reason: "first", after: 9, unattempted: false },
  ]);
  expect(settled(2, first, handled)).toEqual([first]);
});
