import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Lane } from "../../../src/runtime/delivery/lane.ts";
import { ReadyLanes } from "../../../src/runtime/delivery/ready-lanes.ts";

test("lanes that were removed are not kept behind one that stays first", async () => {
  const ready = new ReadyLanes();
  const [first, last] = [new Lane("first"), new Lane("last")];
  ready.push(first);
  const removed = Array.from({ length: 2000 }, () => {
    const lane = new Lane(undefined);
    ready.push(lane);
    ready.remove(lane);
    return new WeakRef(lane);
  });
  ready.push(last);
  // What a WeakRef was asked for, or made of, lives until the turn is over.
  await new Promise(setImmediate);
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  expect(removed.filter((lane) => lane.deref() !== undefined).length).toBeLessThan(1000);
  expect(ready.first).toBe(first);
  ready.shift();
  expect(ready.first).toBe(last);
});
