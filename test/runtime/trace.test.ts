import { expect, test } from "vitest";
import { beginTrace, isTraceparent, traceOf } from "../../src/runtime/trace.ts";

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const header = (name: string, text: string) => ({ name, value: Buffer.from(text) });

test("takes the context that a message carries, the last of repeats, in any case", () => {
  const headers = [
    header("traceparent", "old"),
    header("TraceParent", parent),
    header("tracestate", "a=1"),
    header("baggage", "k=v"),
  ];
  expect(traceOf({ headers, metadata: { traceparent: "other" } })).toEqual({
    traceparent: parent,
    tracestate: "a=1",
    baggage: "k=v",
  });
});

test("else the metadata's", () => {
  expect(traceOf({ headers: [], metadata: { traceparent: parent } })).toEqual({
    traceparent: parent,
  });
});

test("a broken parent begins a trace of its own, without the other's state", () => {
  const trace = traceOf({
    headers: [header("traceparent", "00-zz"), header("tracestate", "a=1")],
    metadata: {},
  });
  expect(isTraceparent(trace["traceparent"])).toBe(true);
  expect(Object.keys(trace)).toEqual(["traceparent"]);
});

test("each begun trace is new", () => {
  const begun = Array.from({ length: 1000 }, beginTrace);
  expect(new Set(begun).size).toBe(1000);
  expect(begun.every(isTraceparent)).toBe(true);
});

test.each([
  undefined,
  "",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
])("%s is no traceparent", (text) => {
  expect(isTraceparent(text)).toBe(false);
});

test.each([
  [parent, true],
  [`cc${parent.slice(2)}-more`, true],
  [`ff${parent.slice(2)}`, false],
  [`00-${"0".repeat(32)}${parent.slice(35)}`, false],
  [`${parent.slice(0, 36)}${"0".repeat(16)}-01`, false],
  [parent.toUpperCase(), false],
  [parent.slice(0, -1), false],
  [`${parent}x`, false],
  [`${parent}-a\nb`, false],
  [`${parent.slice(0, 20)}g${parent.slice(21)}`, false],
  [`${parent.slice(0, 35)}_${parent.slice(36)}`, false],
  ["", false],
  [undefined, false],
])("%j is a traceparent: %s", (text, isOne) => {
  expect(isTraceparent(text)).toBe(isOne);
});
