import { expect, test } from "vitest";
import { checkFilter, checkName, checkSubject } from "../../../src/bindings/nats/subjects.ts";

const hostile = [
  ...["a b", "a\r\nPUB x 0\r\n", "a\tb", "a\0b", "", ".", "a.", ".a", "a..b", "a\u2028b"],
  "x".repeat(65_536),
];

test.each(hostile)("%j is no subject, neither to send to nor to read", (subject) => {
  expect(() => checkSubject(subject)).toThrow(/^subject ".*" has/s);
  expect(() => checkFilter(subject)).toThrow(/^subject ".*" has/s);
});

test.each(["orders.*", "*", "orders.>", ">"])("%j is a subject to read only", (subject) => {
  expect(() => checkSubject(subject)).toThrow("wildcards");
  checkFilter(subject);
});

test("> stands at the end", () => {
  expect(() => checkFilter("orders.>.x")).toThrow("before its end");
});

test.each(["orders.17.created", "grün.'\"/x", "a*b.c>d", "$KV.shop.x", "x".repeat(2048)])(
  "%j is a subject",
  (subject) => {
    expect(() => checkSubject(subject)).not.toThrow();
  },
);

test.each(["$JS.API.STREAM.DELETE.ORDERS", "$JS.ACK.a.b", "$SYS.REQ.SERVER.PING", "$SYS"])(
  "a call may not name the server's own %s, the component's owner may",
  (subject) => {
    expect(() => checkSubject(subject)).toThrow("a call may not name");
    checkSubject(subject, true);
  },
);

test.each(["", "a.b", "a b", "a*", ">", "a/b", "a\\b", "a\r\nb", "a\0b", "x".repeat(65_536)])(
  "%j is no name of a stream",
  (name) => {
    expect(() => checkName("stream", name)).toThrow(/^stream ".*" is no name/);
  },
);
