import { expect, test } from "vitest";
import {
  beginTrace,
  heed,
  isSampled,
  isTraceparent,
  otherTraces,
  traceOf,
} from "../../src/runtime/trace.ts";

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
  const begun = Array.from({ length: 1000 }, () => beginTrace());
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

test.each([
  ["00", false],
  ["01", true],
  ["02", false],
  ["03", true],
  ["0a", false],
  ["0b", true],
  ["ff", true],
])("flags %s: sampled %s", (flags, sampled) => {
  expect(isSampled(`00-${"a".repeat(32)}-${"b".repeat(16)}-${flags}`)).toBe(sampled);
});

test.each([undefined, "", "01", "00-aa-bb-01"])("%s is not sampled", (text) => {
  expect(isSampled(text)).toBe(false);
});

test("of the traces that begin here the share is sampled that the threshold lets through", () => {
  const share = (threshold?: number): number =>
    Array.from({ length: 10_000 }, () => beginTrace(threshold)).filter(isSampled).length / 10_000;
  expect(share()).toBe(0);
  expect(share(2 ** 32)).toBe(0);
  expect(share(0)).toBe(1);
  expect(share(2 ** 31)).toBeCloseTo(0.5, 1);
});

test("what a caller has decided counts, unless nobody is heeded: then the trace's own bits do, as where it begins", () => {
  const heeding = { threshold: 0, heedsCaller: true };
  const plain = `00-${"0".repeat(31)}1-${"b".repeat(16)}-00`;
  expect(heed(plain, undefined)).toBe(plain);
  expect(heed(plain, heeding)).toBe(plain);
  expect(heed(plain, { threshold: 0, heedsCaller: false })).toBe(`${plain.slice(0, 53)}01`);
  const flagged = `00-${"f".repeat(32)}-${"b".repeat(16)}-03-more`;
  expect(heed(flagged, { threshold: 2 ** 32, heedsCaller: false })).toBe(
    `${flagged.slice(0, 53)}02-more`,
  );
  const threshold = 0x8123_4567;
  for (let time = 0; time < 1000; time++) {
    const begun = beginTrace(threshold);
    expect(heed(begun, { threshold, heedsCaller: false })).toBe(begun);
  }
});

test("an event that names several traces is caused by all of them", () => {
  const [first, second] = [beginTrace(), beginTrace()];
  const header = (value: string) => ({ name: "TraceParent", value: Buffer.from(value) });
  const headers = [header(first), header("none"), header(first), header(second)];
  expect(otherTraces({ headers })).toEqual([first]);
  expect(otherTraces({ headers: [header(second)] })).toEqual([]);
});
