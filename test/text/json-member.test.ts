import { assert, constant, json, oneof, property, record, string } from "fast-check";
import { expect, test } from "vitest";
import { memberText } from "../../src/text/json-member.ts";

test.each([
  ['{"data":1}', "1"],
  [' { "a" : "data" , "data" : { "b" : [ 1.10 ] } } ', '{ "b" : [ 1.10 ] }'],
  ['{"a":{"data":1},"data":null}', "null"],
  ['{"data":"\\"},{\\\\","b":2}', '"\\"},{\\\\"'],
  ['{"d\\u0061ta":[1,2]}', "[1,2]"],
  ['{"data":1,"data":12345678901234567890}', "12345678901234567890"],
  ['{"a":"data"}', undefined],
  ['{"a":["data",1]}', undefined],
  ["{}", undefined],
  ['{"data":"ä€😀"}', '"ä€😀"'],
])("the member of %s", (object, text) => {
  expect(memberText(Buffer.from(object), "data")?.toString()).toBe(text);
});

test("it is what JSON.parse finds", () => {
  const name = oneof(constant("data"), string());
  const object = record({ name, other: string(), value: json(), before: json(), after: json() });
  assert(
    property(object, ({ name, other, value, before, after }) => {
      const members = [
        [other, before],
        [name, value],
        [`${other}_`, after],
      ].map(([key = "", text = ""]) => `${JSON.stringify(key)} : ${text}`);
      const text = `{ ${members.join(" , ")} }`;
      const whole = JSON.parse(text) as Record<string, unknown>;
      const found = memberText(Buffer.from(text), name)?.toString();
      expect(JSON.parse(found ?? "")).toEqual(whole[name]);
    }),
    { seed: 20_261_130, numRuns: 500 },
  );
});
