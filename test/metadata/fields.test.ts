import { expect, test } from "vitest";
import {
  bool,
  byteSize,
  duration,
  integer,
  list,
  number,
  oneOf,
  type Field,
} from "../../src/metadata/fields.ts";

const description = "";

function read<Value>(field: Field<Value>, text: string): Value | string {
  const parsed = field.parse(text);
  return "problem" in parsed ? parsed.problem : parsed.value;
}

test.each(["y", "Yes", "TRUE", "t", "on", "1", " true "])("bool reads %j as true", (text) => {
  expect(bool({ description }).parse(text)).toEqual({ value: true });
});

test.each(["n", "No", "FALSE", "f", "off", "0", ""])("bool reads %j as false", (text) => {
  expect(bool({ description }).parse(text)).toEqual({ value: false });
});

test("bool reads nonsense as false, with a warning", () => {
  expect(bool({ description }).parse("maybe")).toMatchObject({
    value: false,
    warning: expect.any(String),
  });
});

test("a strict bool refuses what Go's ParseBool refuses", () => {
  const strict = bool({ description, strict: true });
  expect(["1", "t", "T", "TRUE", "true", "True"].map((text) => read(strict, text))).toEqual(
    Array(6).fill(true),
  );
  expect(["0", "f", "F", "FALSE", "false", "False"].map((text) => read(strict, text))).toEqual(
    Array(6).fill(false),
  );
  for (const text of ["yes", "", "tRUE", " true"])
    expect(read(strict, text)).toBe("must be true or false");
});

test.each([
  ["", 0],
  ["5", 5],
  ["-5", -5],
  ["0x10", 16],
  ["0b11", 3],
  ["0o17", 15],
  ["010", 8],
  ["1_000", 1000],
])("integer reads %j as %d", (text, value) => {
  expect(read(integer({ description }), text)).toBe(value);
});

test.each(["1.5", "five", "08", "9007199254740993", " 5", "0x"])("integer refuses %j", (text) => {
  expect(read(integer({ description }), text)).toBe("is not an integer");
});

test("integer keeps to its bounds", () => {
  expect(read(integer({ description, min: 1, max: 3 }), "4")).toBe("must be from 1 to 3");
});

test("number reads decimals only", () => {
  expect(["", "1.5", "-2e3", ".5"].map((text) => read(number({ description }), text))).toEqual([
    0, 1.5, -2000, 0.5,
  ]);
  for (const text of ["0x10", "Infinity", "1 ", "NaN"])
    expect(read(number({ description }), text)).toBe("is not a number");
});

test("duration counts bare integers in its unit", () => {
  expect(read(duration({ description }), "5")).toBe(5000);
  expect(read(duration({ description, bare: "ms" }), "5")).toBe(5);
  expect(read(duration({ description, positive: true }), "0s")).toBe("must be longer than zero");
  expect(read(duration({ description }), "1 day")).toContain("is not a duration");
});

test("byteSize, list and oneOf", () => {
  expect(read(byteSize({ description }), "4Mi")).toBe(4 * 1024 * 1024);
  expect(read(byteSize({ description }), "4K")).toContain("is not a size");
  const large = byteSize({ description, min: 64 * 1024 });
  expect(read(large, "64Ki")).toBe(65_536);
  for (const text of ["0", "-1", "-1Mi", "65535", "1"])
    expect(read(large, text)).toContain("must be at least 64Ki");
  expect(read(list({ description }), " a, b,,c ")).toEqual(["a", "b", "c"]);
  expect(read(oneOf(["PLAIN", "SCRAM"], { description }), "scram")).toBe("SCRAM");
  expect(read(oneOf(["PLAIN", "SCRAM"], { description }), "x")).toBe("must be one of PLAIN, SCRAM");
});
