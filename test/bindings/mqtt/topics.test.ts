import { expect, test } from "vitest";
import { checkTopicFilter, checkTopicName } from "../../../src/bindings/mqtt/topics.ts";

test.for(["orders", "orders/17/created", "/", " ", "größe", "$SYS/x", "a//b", "x".repeat(65_535)])(
  "sends to %j",
  (topic) => {
    expect(() => checkTopicName(topic)).not.toThrow();
  },
);

test.for([
  ["", "is empty"],
  ["orders/+", "wildcard"],
  ["orders/#", "wildcard"],
  ["a+b", "wildcard"],
  ["a\0b", "null character"],
  ["a\r\nb", "control character"],
  ["a\u007f", "control character"],
  ["\ud800", "Unicode"],
  ["ü".repeat(40_000), "longer than 65535"],
] as const)("does not send to %j", ([topic, why]) => {
  expect(() => checkTopicName(topic)).toThrow(why);
});

test.for(["#", "+", "orders/#", "orders/+/created", "+/+/#", "$share/group/orders/#", "orders"])(
  "reads %j",
  (filter) => {
    expect(() => checkTopicFilter(filter)).not.toThrow();
  },
);

test.for([
  ["orders#", "not the last level"],
  ["orders/#/x", "not the last level"],
  ["orders/a+", "not a level of its own"],
  ["", "is empty"],
] as const)("does not read %j", ([filter, why]) => {
  expect(() => checkTopicFilter(filter)).toThrow(why);
});
