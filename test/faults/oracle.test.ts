import { expect, test } from "vitest";
import { judge, type Handled, type Produced } from "./oracle.ts";

/** `a1` is the first event of key `a`. */
function eventOf(name: string): { key: string; sequence: number; uuid: string } {
  return { key: name.slice(0, 1), sequence: Number(name.slice(1)), uuid: name };
}

function produced(...names: string[]): Produced[] {
  return names.map((name, at) => ({ ...eventOf(name), at, durable: true }));
}

/** Handled one after another, in this order, from the time 100 on. */
function handled(...names: string[]): Handled[] {
  return names.map((name, index) => ({
    ...eventOf(name),
    ...{ receivedAt: 100 + index, at: 100 + index, attempt: 1 },
  }));
}

test("all handled once, in order", () => {
  const verdict = judge({
    produced: produced("a1", "b1", "a2"),
    handled: handled("b1", "a1", "a2"),
  });
  expect(verdict).toEqual({
    ...{ produced: 3, handled: 3, lost: [], duplicates: 0, reordered: [], rewound: [] },
    ...{ longestDelay: 101, deadLettered: 0, unknown: 0 },
  });
});

test("a loss is found, and a dead letter is none", () => {
  const events = produced("a1", "a2", "a3");
  const verdict = judge({
    produced: events,
    handled: handled("a1"),
    deadLettered: new Set(["a3"]),
  });
  expect(verdict.lost).toEqual([events[1]]);
  expect(verdict.deadLettered).toBe(1);
});

test("an event of which nobody knows whether the source has it is no loss and no duplicate", () => {
  const unsure = produced("a1", "a2").map((event) => ({ ...event, durable: false }));
  const verdict = judge({ produced: unsure, handled: handled("a2", "a2", "a1") });
  expect(verdict).toMatchObject({ produced: 0, lost: [], duplicates: 0 });
  expect(verdict).toMatchObject({ reordered: [], rewound: [], unknown: 0 });
});

test("duplicates are counted by how often the app handled an event too often", () => {
  const verdict = judge({
    produced: produced("a1", "b1"),
    handled: handled("a1", "a1", "b1", "a1"),
  });
  expect(verdict).toMatchObject({ handled: 2, duplicates: 2, reordered: [], rewound: [] });
});

test("a first handling after a later one of the key is a reorder, of another key it is none", () => {
  const verdict = judge({
    produced: produced("a1", "a2", "a3", "b1"),
    handled: handled("b1", "a2", "a3", "a1"),
  });
  expect(verdict.reordered.map(({ event, after }) => [event.uuid, after.uuid])).toEqual([
    ["a1", "a3"],
  ]);
  expect(verdict.rewound).toEqual([]);
});

test("a repetition after a later one of the key is a rewind", () => {
  const verdict = judge({
    produced: produced("a1", "a2"),
    handled: handled("a1", "a2", "a1", "a2"),
  });
  expect(verdict.reordered).toEqual([]);
  expect(verdict.rewound.map(({ event }) => event.uuid)).toEqual(["a1"]);
});

test("the next process of the runtime may begin again from what it knows to be handled", () => {
  const observations = {
    produced: produced("a1", "a2", "a3"),
    handled: handled("a1", "a2", "a1", "a2", "a3"),
  };
  // The third handling is the first of the second process.
  expect(judge({ ...observations, lives: [0, 102] })).toMatchObject({ rewound: [], duplicates: 2 });
  expect(judge({ ...observations, lives: [0, 103] }).rewound).toHaveLength(1);
});

test("what nobody produced is told", () => {
  expect(judge({ produced: [], handled: handled("a1") }).unknown).toBe(1);
});

test("the delay is that of the event that waited longest", () => {
  const events = [{ ...eventOf("a1"), at: 50, durable: true }];
  expect(judge({ produced: events, handled: handled("b1", "a1", "a1") }).longestDelay).toBe(51);
});
