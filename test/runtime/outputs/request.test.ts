import { expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import { bool, byPrefix, duration, integer, string } from "../../../src/metadata/fields.ts";
import { requestParser } from "../../../src/runtime/outputs/request.ts";

const parse = requestParser({
  key: string({ description: "The key.", required: true }),
  ttl: duration({ description: "The time.", aliases: ["ttlInSeconds"] }),
  count: integer({ description: "How many.", default: "0x10" }),
  pin: integer({ description: "A secret.", sensitive: true }),
  delete: bool({ description: "Whether.", default: "false" }),
});

function problem(metadata: Record<string, string>): BindingError {
  try {
    parse(metadata);
  } catch (error) {
    if (error instanceof BindingError) return error;
  }
  throw new Error("it was accepted");
}

test("gives each field its value, its alias's or its default", () => {
  expect(parse({ key: "k", ttlInSeconds: "5", other: "passed on" })).toEqual({
    key: "k",
    ttl: 5000,
    count: 16,
    pin: undefined,
    delete: false,
  });
  expect(parse({ key: "", ttl: "1s", ttlInSeconds: "9" })).toMatchObject({ key: "", ttl: 1000 });
});

test("names count as they are written", () => {
  expect(problem({ Key: "k" }).message).toBe("the request's metadata has no key");
});

test("a wrong text is named, a sensitive one never", () => {
  expect(problem({ key: "k", count: "many" })).toMatchObject({
    reason: "invalid_argument",
    effect: "rejected",
    message: 'the request\'s metadata count: "many" is not an integer',
  });
  expect(problem({ key: "k", pin: "hunter2" }).message).not.toContain("hunter2");
});

test("names by prefix are a map", () => {
  const named = requestParser({
    variables: byPrefix("variable:", string({ description: "A variable." })),
    pins: byPrefix("pin:", integer({ description: "A secret.", sensitive: true })),
    counts: byPrefix("count:", integer({ description: "A number." })),
  });
  const values = named({ "variable:a": "1", "Variable:b": "2", "variable:__proto__": "", a: "3" });
  expect(values["variables"]).toEqual(
    new Map([
      ["a", "1"],
      ["__proto__", ""],
    ]),
  );
  expect(values["pins"]).toEqual(new Map());
  expect(() => named({ "variable:": "x" })).toThrow("metadata variable: needs a name behind it");
  expect(() => named({ "pin:a": "hunter2" })).toThrow("metadata pin:a: is not an integer");
  expect(() => named({ "count:a": "x" })).toThrow('metadata count:a: "x" is not an integer');
});
