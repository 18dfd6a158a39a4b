import { expect, test } from "vitest";
import { goUnquote } from "../../src/text/go-unquote.ts";

const unquoted = (text: string) => {
  const bytes = goUnquote(Buffer.from(text));
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1");
};

// What strconv.Unquote of Go answers.
test.each([
  ['"hello"', "hello"],
  ['""', ""],
  ['"a\\"b\\\\c"', 'a"b\\c'],
  ['"\\a\\b\\f\\n\\r\\t\\v"', "\x07\b\f\n\r\t\v"],
  ['"\\x41\\xff\\101"', "A\xffA"],
  ['"\\u0041\\U00000042"', "AB"],
  ['`raw \\n\r\n"text"`', 'raw \\n\n"text"'],
  ["'x'", "x"],
  ["'\\''", "'"],
] as const)("%j is %j", (text, plain) => {
  expect(unquoted(text)).toBe(plain);
});

test.each([
  ...["", '"', "hello", '"open', 'open"', '"a"b"', '"line\nbreak"', "'two'", "''", "`a`b`"],
  ...['"\\/"', '"\\ud83d\\ude00"', '"\\\'"', '"\\q"', '"\\"', '"\\400"', '"\\U00110000"', '"\\x4"'],
])("%j is no literal", (text) => {
  expect(unquoted(text)).toBeUndefined();
});

test("characters of several bytes, and long texts", () => {
  expect(Buffer.from(goUnquote(Buffer.from('"Grüße 😀 \\u00e4"')) ?? []).toString()).toBe(
    "Grüße 😀 ä",
  );
  expect(Buffer.from(goUnquote(Buffer.from("'😀'")) ?? []).toString()).toBe("😀");
  const long = "\\n<p>".repeat(500_000);
  expect(goUnquote(Buffer.from(`"${long}"`))).toHaveLength(2_000_000);
});
