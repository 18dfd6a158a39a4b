import { expect, test } from "vitest";
import { Progress } from "../../../../src/bindings/aws/aws.kinesis/progress.ts";

const one = (sequence: string) => ({ sequence, sub: undefined });

test("the checkpoint is the last record up to which all was handled", () => {
  const progress = new Progress("1");
  const settle = ["2", "3", "4"].map((sequence) => progress.deliver(one(sequence), true));
  settle[1]?.(true);
  expect([progress.handled, progress.unstored, progress.open]).toEqual(["1", undefined, 2]);
  settle[0]?.(true);
  expect([progress.handled, progress.unstored]).toEqual(["3", "3"]);
  settle[2]?.(false);
  expect([progress.handled, progress.open, progress.isWhole]).toEqual(["3", 0, false]);
});

test("a record with several events counts when all are handled; one with none at once", () => {
  const progress = new Progress(undefined);
  const first = progress.deliver({ sequence: "2", sub: 0 }, false);
  const last = progress.deliver({ sequence: "2", sub: 1 }, true);
  progress.pass("3");
  first?.(true);
  expect(progress.handled).toBeUndefined();
  last?.(true);
  expect(progress.handled).toBe("3");
});

test("a new reader leaves out what an earlier one has handled, also the parts of a record", () => {
  const progress = new Progress("1");
  const settle = [
    progress.deliver(one("2"), true),
    progress.deliver({ sequence: "3", sub: 0 }, false),
    progress.deliver({ sequence: "3", sub: 1 }, true),
    progress.deliver(one("4"), true),
  ];
  for (const at of [0, 1, 3]) settle[at]?.(true);
  progress.restart();
  expect(progress.handled).toBe("2");
  expect(progress.deliver({ sequence: "3", sub: 0 }, false)).toBeUndefined();
  const left = progress.deliver({ sequence: "3", sub: 1 }, true);
  expect(progress.deliver(one("4"), true)).toBeUndefined();
  left?.(true);
  expect(progress.handled).toBe("4");
});

test("what the app finishes for an earlier reader is not delivered again", () => {
  const progress = new Progress("1");
  const settle = progress.deliver(one("2"), true);
  progress.restart();
  settle?.(true);
  expect(progress.deliver(one("2"), true)).toBeUndefined();
  expect([progress.handled, progress.open]).toEqual(["2", 0]);
});

test("another's checkpoint is told from what this process has told the table", () => {
  const progress = new Progress("1");
  progress.deliver(one("2"), true)?.(true);
  progress.sending(progress.unstored);
  expect(progress.continues("1")).toBe(true);
  expect(progress.unstored).toBe("2");
  // The answer was lost.
  expect(progress.continues("2")).toBe(true);
  expect(progress.unstored).toBeUndefined();
  expect(progress.continues("9")).toBe(false);
  expect(progress.continues(undefined)).toBe(false);
});

test("what was handled long ago is not kept", () => {
  const progress = new Progress("0");
  for (let n = 1; n <= 10_000; n++) progress.deliver(one(String(n)), true)?.(true);
  expect([progress.handled, progress.open, progress.isWhole]).toEqual(["10000", 0, true]);
});
