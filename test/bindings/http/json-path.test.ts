import { expect, test } from "vitest";
import { parseBody, parsePath, textAt, valueAt } from "../../../src/bindings/http/json-path.ts";
import { nextLink } from "../../../src/bindings/http/links.ts";

const whole = { a: { "b/c": [1, { "~": "x" }], "d.e": null }, "": 5 };

test.each<[string, unknown]>([
  ["$", whole],
  ["/a/b~1c/0", 1],
  ["/a/b~1c/-1/~0", "x"],
  ["a.b/c.-1.~", "x"],
  ["$.a.b/c.1", { "~": "x" }],
  ["/a/d.e", null],
  ["/", 5],
  ["/a/nothing", undefined],
  ["/a/b~1c/2", undefined],
  ["/a/b~1c/01", undefined],
  ["/a/b~1c/length", undefined],
  ["constructor", undefined],
  ["/a/__proto__", undefined],
])("%s", (text, value) => {
  const parsed = parsePath(text);
  if (!("value" in parsed)) throw new Error(parsed.problem);
  expect(valueAt(whole, parsed.value)).toEqual(value);
});

test.each(["", "a..b", "$.a.", "/~", "/~2"])("%j is no path", (text) => {
  expect(parsePath(text)).toHaveProperty("problem");
});

test("values as texts keep their digits", () => {
  const body = parseBody(
    Buffer.from('\ufeff{"a":123456789012345678901,"b":1.0,"c":{"d":1e2},"e":true,"__proto__":1}'),
  );
  expect(textAt(body, ["a"])).toBe("123456789012345678901");
  expect(textAt(body, ["b"])).toBe("1.0");
  expect(textAt(body, ["c"])).toBe('{"d":1e2}');
  expect(textAt(body, ["e"])).toBe("true");
  expect(textAt(body, ["__proto__"])).toBe("1");
  expect(textAt(body, ["none"])).toBeUndefined();
});

test.each(["", "{", "secret", "\xff"])("%j is no JSON, and is not quoted", (text) => {
  expect(() => parseBody(Buffer.from(text, "latin1"))).toThrow(/^the answer is no JSON$/);
});

test.each<[string | string[] | undefined, string | undefined]>([
  [undefined, undefined],
  ["", undefined],
  ["<a>", undefined],
  ['<a>; rel="next"', "a"],
  ["<a>;rel=next", "a"],
  ["<a>; REL=NEXT", "a"],
  ['<a>; rel="prev", <b?x=1,2>; title="<c>; rel=next"; rel="last next"', "b?x=1,2"],
  [['<a>; rel="prev"', '<b>; rel="next"'], "b"],
  ['<a>; rel="nextish"', undefined],
  ['<a>; relx="next"', undefined],
  [`<a>${"; x=".repeat(5000)}; rel=next`, "a"],
  ["<".repeat(50_000), undefined],
])("the link of %.60j", (header, target) => {
  expect(nextLink(header)).toBe(target);
});
