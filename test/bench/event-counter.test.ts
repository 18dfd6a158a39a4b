import { expect, test } from "vitest";
import { EventCounter } from "../../bench/apps/event-counter.ts";
import { eventPayload } from "../../bench/wire/payload.ts";

const keys = 2;

test("counts each event once, with those that came again beside them", () => {
  const tally = new EventCounter(keys, 4);
  for (const [key, place] of [
    [0, 0],
    [1, 0],
    [0, 0],
    [0, 1],
  ] as const) {
    tally.note(eventPayload(key, place, 0), 0);
  }
  expect(tally.counts).toEqual({ distinct: 3, duplicates: 1, outOfOrder: 0 });
});

test("tells an event that came after a later one of its key, and lets other keys be", () => {
  const tally = new EventCounter(keys, 6);
  for (const [key, place] of [
    [0, 1],
    [1, 0],
    [0, 0],
    [1, 1],
    [0, 2],
  ] as const) {
    tally.note(eventPayload(key, place, 0), 0);
  }
  expect(tally.counts).toEqual({ distinct: 5, duplicates: 0, outOfOrder: 1 });
});

test("an event that was delivered again is not out of order", () => {
  const tally = new EventCounter(1, 3);
  for (const place of [0, 1, 0, 1, 2]) tally.note(eventPayload(0, place, 0), 0);
  expect(tally.counts).toEqual({ distinct: 3, duplicates: 2, outOfOrder: 0 });
});

test("answers when the event was meant to be sent, wherever its payload lies", () => {
  const tally = new EventCounter(keys, 2);
  const bytes = Buffer.concat([Buffer.from("abc"), eventPayload(1, 0, 1_700_000_000_123_456)]);
  expect(tally.note(bytes, 3)).toBe(1_700_000_000_123_456);
  expect(tally.note(bytes, 3)).toBe(0);
});

test.each([
  ["of a key that there is not", eventPayload(2, 0, 0)],
  ["of a place that there is not", eventPayload(0, 1, 0)],
  ["without numbers", Buffer.alloc(1024, "x")],
  ["cut short", eventPayload(0, 0, 0).subarray(0, 20)],
])("refuses an event %s", (_, payload) => {
  const tally = new EventCounter(keys, 2);
  expect(() => tally.note(payload, 0)).toThrow(/never sent/);
});
