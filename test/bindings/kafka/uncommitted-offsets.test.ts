import { expect, test } from "vitest";
import { UncommittedOffsets } from "../../../src/bindings/kafka/uncommitted-offsets.ts";

const id = "5f0c3e0e-0000-4000-8000-000000000001";
let groups = 0;

/** Of a group that no other test has. */
function memory(): UncommittedOffsets {
  return UncommittedOffsets.of(["localhost:9092"], `group-${++groups}`);
}

const remembered = { floor: 10, offset: 14, ranges: [{ first: 16, last: 17 }] };

test("the next reader skips what was handled and not committed", () => {
  const known = memory();
  known.store(id, 0, remembered);
  expect(known.take(id, 0, 10, [])).toEqual([
    { first: 10, last: 13 },
    { first: 16, last: 17 },
  ]);
  // Once: from then on the reader knows it itself.
  expect(known.take(id, 0, 10, [])).toEqual([]);
});

test("what the coordinator tells is joined with it", () => {
  const known = memory();
  known.store(id, 0, remembered);
  expect(
    known.take(id, 0, 12, [
      { first: 14, last: 15 },
      { first: 20, last: 21 },
    ]),
  ).toEqual([
    { first: 12, last: 17 },
    { first: 20, last: 21 },
  ]);
});

test("a group further on keeps what was handled above", () => {
  const known = memory();
  known.store(id, 0, remembered);
  expect(known.take(id, 0, 17, [])).toEqual([{ first: 17, last: 17 }]);
});

test("a group that was set back gets its events again", () => {
  const known = memory();
  known.store(id, 0, remembered);
  expect(known.take(id, 0, 9, [])).toEqual([]);
});

test("another partition, topic or group knows nothing of it", () => {
  const known = memory();
  known.store(id, 0, remembered);
  expect(known.take(id, 1, 10, [])).toEqual([]);
  expect(known.take(id.replace("5", "6"), 0, 10, [])).toEqual([]);
  expect(memory().take(id, 0, 10, [])).toEqual([]);
});

test("a topic without an identity is not remembered: it might have been made anew", () => {
  const known = memory();
  for (const none of [undefined, "00000000-0000-0000-0000-000000000000"]) {
    known.store(none, 0, remembered);
    expect(known.take(none, 0, 10, [])).toEqual([]);
  }
});
