import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { aggregatedIn } from "../../../../src/bindings/aws/aws.kinesis/aggregated.ts";

const mark = Buffer.from("f3899ac2", "hex");

function framed(message: Uint8Array): Buffer {
  return Buffer.concat([mark, message, createHash("md5").update(message).digest()]);
}

// Key "a" and a hash key; a record with that key, the hash key, "hi" and a tag.
const message = Buffer.from("0a01611201311a0c080010001a02686922020a00", "hex");

test("a record with hash keys and tags is read", () => {
  expect(aggregatedIn({ data: framed(message) })).toEqual([{ key: "a", data: Buffer.from("hi") }]);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["the mark alone", mark],
  ["another digest", Buffer.concat([mark, message, Buffer.alloc(16)])],
  ["a message that is cut", framed(message.subarray(0, 9))],
  ["a record whose key is not there", framed(Buffer.from("1a020801", "hex"))],
  ["no protocol buffers", framed(Buffer.alloc(64, 0xff))],
])("%s is a record as any other", (_what, data) => {
  expect(aggregatedIn({ data })).toBeUndefined();
});
