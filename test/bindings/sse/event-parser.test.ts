import { expect, test } from "vitest";
import { EventParser } from "../../../src/bindings/sse/event-parser.ts";
import { blocksOf, comparable } from "./reference-parser.ts";

const parse = (...parts: string[]) => {
  const parser = new EventParser();
  return parts.flatMap((part) => parser.push(Buffer.from(part)));
};
const event = (data: string, more = {}) => ({ data, type: "message", id: undefined, ...more });

test.each<[string, string, unknown[]]>([
  [
    "three ends of a line",
    "data: a\n\ndata: b\r\n\r\ndata: c\r\r",
    [event("a"), event("b"), event("c")],
  ],
  ["a byte order mark, once", "\ufeffdata: a\n\n\ufeffdata: b\n\n", [event("a")]],
  ["comments", ": x\n:data: y\n\ndata: a\n: z\n\n", [event("a")]],
  ["several lines of data", "data: a\ndata:b\ndata\ndata:  c\n\n", [event("a\nb\n\n c")]],
  ["no data", "event: a\n\n", []],
  ["empty data", "data\n\ndata:\n\n", [event(""), event("")]],
  [
    "a type for one event",
    "event: t\ndata: a\n\ndata: b\n\n",
    [event("a", { type: "t" }), event("b")],
  ],
  [
    "ids",
    "id: 1\ndata: a\n\nid\ndata: b\n\nid: 2\n\n",
    [
      event("a", { id: "1" }),
      event("b", { id: "" }),
      { data: undefined, type: "message", id: "2" },
    ],
  ],
  [
    "an id with NUL or another control character",
    "id: 1\0\ndata: a\n\nid: \u0001\ndata: b\n\n",
    [event("a"), event("b")],
  ],
  ["an id that is too long", `id: ${"x".repeat(5000)}\ndata: a\n\n`, [event("a")]],
  ["other fields", "foo: 1\n data: 2\ndataa: 3\nDATA: 4\ndata: a\n\n", [event("a")]],
  ["what is not whole", "data: a\n\ndata: b\n", [event("a")]],
])("%s", (_name, stream, blocks) => {
  expect(comparable(parse(stream))).toEqual(blocks);
  expect(comparable(parse(...stream.split(/(?:)/u)))).toEqual(blocks);
  expect(blocksOf(Buffer.from(stream))).toEqual(blocks);
});

test.each([
  ["retry: 10\n\n", 10],
  ["retry: 0\n\n", 0],
  ["retry: -1\n\n", undefined],
  ["retry: 1s\n\n", undefined],
  ["retry\n\n", undefined],
])("%j asks for a pause of %j", (stream, retry) => {
  expect(parse(stream)[0]?.retry).toBe(retry);
});

test("what is held counts", () => {
  const parser = new EventParser();
  parser.push(Buffer.from("data: abc\ndata: de"));
  expect(parser.held).toBe("abc".length + "data: de".length);
  parser.push(Buffer.from("\n\n"));
  expect(parser.held).toBe(0);
});
