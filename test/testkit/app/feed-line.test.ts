import { expect, test } from "vitest";
import { parseFeedLine, shownPayload } from "../../../src/testkit/app/feed-line.ts";

test.each([
  ['{"input":"orders"}', { kind: "event", input: "orders", event: {} }],
  [
    '{"input":"orders","json":{"id":1},"key":"a","id":"one","headers":{"h":"1"},"metadata":{"m":"2"},"partition":"0"}',
    {
      ...{ kind: "event", input: "orders" },
      event: {
        ...{ json: { id: 1 }, key: "a", id: "one", headers: { h: "1" }, metadata: { m: "2" } },
        partition: "0",
      },
    },
  ],
  ['{"input":"orders","text":"x"}', { event: { data: "x" } }],
  ['{"input":"orders","base64":"AAE="}', { event: { data: Buffer.from([0, 1]) } }],
  ['{"input":"orders","json":null}', { event: { json: null } }],
  [
    '{"output":"db","operation":"get","json":[1],"metadata":{"etag":"1"}}',
    {
      ...{ kind: "answer", output: "db", operation: "get" },
      answer: { json: [1], metadata: { etag: "1" } },
    },
  ],
  ['{"wait":"1m"}', { kind: "wait", milliseconds: 60_000 }],
])("%s", (text, line) => {
  expect(parseFeedLine(text)).toMatchObject(line);
});

test.each([
  ["orders", "it is no JSON: "],
  ["[]", "it is no JSON object"],
  ['{"input":"orders","base64":"%%"}', '"base64" is no base64'],
  ["{}", 'it has none of "input", "output" and "wait"'],
  ['{"input":"orders","jason":1}', "did you mean json?"],
  ['{"input":"orders","operation":"x"}', 'it has no field "operation"; it may have input, json'],
  ['{"input":"orders","text":"x","json":1}', "it has both json and text"],
  ['{"input":7}', '"input" must be a text'],
  ['{"input":"orders","headers":{"a":1}}', '"headers" must be an object of texts'],
  ['{"output":"db"}', 'an answer needs its "operation"'],
  ['{"wait":"5"}', '"wait" is no duration such as "5s": "5"'],
])("%s: %s", (text, why) => {
  expect(() => parseFeedLine(text)).toThrow(why);
});

test("a byte order mark and a base64 without its end are taken", () => {
  expect(parseFeedLine('\uFEFF{"input":"orders","base64":"aGk"}')).toEqual({
    ...{ kind: "event", input: "orders" },
    event: { data: Buffer.from("hi") },
  });
});

test("a payload is shown as a feed says it", () => {
  expect(shownPayload(undefined)).toEqual({});
  expect(shownPayload(Buffer.from('{"a":1}'))).toEqual({ json: { a: 1 } });
  expect(shownPayload(Buffer.from("7"))).toEqual({ text: "7" });
  expect(shownPayload(Buffer.from([0xff]))).toEqual({ base64: "/w==" });
});
