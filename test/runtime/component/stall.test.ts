import { expect, test } from "vitest";
import { StallDetector } from "../../../src/runtime/component/stall.ts";

const idle = { reading: true, inFlight: 0, waiting: 0, room: 64, held: false };

/** A detector with a clock that the test sets, looked at each 10 s. */
function detector(timeout = 60_000) {
  let now = 0;
  const made = new StallDetector(timeout, () => now);
  return {
    detector: made,
    look: (backlog: number, facts = idle, step = 10_000) => {
      now += step;
      return made.look(backlog, facts);
    },
  };
}

test("tells what it saw once it has seen it for long enough", () => {
  const { look } = detector();
  for (let n = 0; n < 6; n++) expect(look(3)).toBeUndefined();
  expect(look(3)).toEqual({ backlog: 3, waitingAtSource: 3, inFlight: 0, waiting: 0, seconds: 60 });
});

test("what was received does not count as waiting, and a full app is no stall", () => {
  const { look } = detector();
  for (let n = 0; n < 20; n++) {
    expect(look(3, { ...idle, inFlight: 1, waiting: 2 })).toBeUndefined();
    expect(look(900, { ...idle, inFlight: 64 })).toBeUndefined();
    expect(look(900, { ...idle, held: true })).toBeUndefined();
    expect(look(900, { ...idle, reading: false })).toBeUndefined();
  }
});

test("each event, and each look that finds nothing waiting, begins the time anew", () => {
  const { detector: one, look } = detector();
  for (let n = 0; n < 6; n++) look(3);
  one.received();
  for (let n = 0; n < 7; n++) expect(look(3)).toBeUndefined();
  look(0);
  for (let n = 0; n < 6; n++) expect(look(3)).toBeUndefined();
  expect(look(3)).toMatchObject({ seconds: 60, lastEvent: expect.any(String) as string });
});

test("time that nobody watched does not count: the process was stopped, the machine slept", () => {
  const { look } = detector();
  for (let n = 0; n < 5; n++) look(3);
  expect(look(3, idle, 3_600_000)).toBeUndefined();
  expect(look(3)).toBeUndefined();
  expect(look(3)).toMatchObject({ seconds: 60 });
});
