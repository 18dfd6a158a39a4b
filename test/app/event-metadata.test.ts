import { expect, test } from "vitest";
import { binaryTrace, deliveryHeaders, eventMetadata } from "../../src/app/event-metadata.ts";
import { delivery } from "./delivery.ts";

const header = (name: string, value: string | number[]) => ({
  name,
  value: Buffer.from(value as string),
});

test("of repeats the last counts, with its own encoding", () => {
  const headers = [
    header("a", [0xff]),
    header("a", "text"),
    header("b", "text"),
    header("b", [0xff]),
  ];
  expect({ ...eventMetadata(delivery({ headers })) }).toEqual({
    a: "text",
    b: "/w==",
    "b.encoding": "base64",
  });
});

test("the binding's own metadata wins over a header of the same name, encoding and all", () => {
  const event = delivery({
    metadata: { a: "own" },
    headers: [header("a", [0xff]), header("c", "c")],
  });
  expect({ ...eventMetadata(event) }).toEqual({ a: "own", c: "c" });
});

test("reserved names never pass, in any case", () => {
  const event = delivery({
    metadata: { "DAPR-API-TOKEN": "x", ok: "1" },
    headers: [header("Dapr-Api-Token", "y")],
  });
  expect({ ...eventMetadata(event) }).toEqual({ ok: "1" });
});

test("a view into a larger buffer yields its own bytes alone", () => {
  const value = new Uint8Array(Buffer.from("xx\u00ffyy", "latin1").buffer, 0).subarray(0, 0);
  const inner = Buffer.from([1, 2, 0xff, 4]).subarray(2, 3);
  const headers = [
    { name: "empty", value },
    { name: "inner", value: inner },
  ];
  expect({ ...eventMetadata(delivery({ headers })) }).toEqual({
    empty: "",
    inner: "/w==",
    "inner.encoding": "base64",
  });
});

test.each([
  ["plain text ~!", "plain text ~!"],
  ["100%", "100%25"],
  ["a\r\nb", "a%0D%0Ab"],
  ["ü€😀", "%C3%BC%E2%82%AC%F0%9F%98%80"],
  ["\uD800", "%EF%BF%BD"],
  [" edge ", "edge"],
])("the last error %j can be a header", (lastError, encoded) => {
  expect(deliveryHeaders(delivery({ lastError }))["cufflink-last-error"]).toBe(encoded);
});

test("a long reason is cut, also inside a pair of surrogates", () => {
  const lastError = `${"x".repeat(511)}😀`;
  const encoded = deliveryHeaders(delivery({ lastError }))["cufflink-last-error"];
  expect(encoded).toBe(`${"x".repeat(511)}%EF%BF%BD`);
});

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("the binary trace has the same ids", () => {
  const bytes = "00000af7651916cd43dd8448eb211c80319c01b7ad6b71692033310201";
  expect(Buffer.from(binaryTrace(traceparent) ?? "", "base64").toString("hex")).toBe(bytes);
});

test.each([
  "",
  "00-1-2-3",
  "nonsense",
  `${traceparent}-`,
  traceparent.replace("00", "01"),
  traceparent.replace("c-b", "c_b"),
  traceparent.replace("1-0", "1_0"),
  traceparent.replace("0a", "0A"),
  traceparent.replace("0a", "0g"),
  traceparent.replace("-01", "-0/"),
])("no binary trace of %j", (text) => {
  expect(binaryTrace(text)).toBeUndefined();
});
