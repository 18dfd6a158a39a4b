import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { BindingEventRequestSchema } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { WireWriter } from "../../src/grpc/wire-writer.ts";

const nameTag = 0x0a;
const lengths = [1, 63, 64, 65, 127, 128, 200, 20_000];
const texts = lengths.flatMap((length) => ["a", "é", "€"].map((one) => one.repeat(length)));

test.each(texts.map((text) => [text.length, text.charAt(0), text]))(
  "a text of %i times %s is written as everybody writes it",
  (_length, _one, text) => {
    const writer = new WireWriter();
    writer.text(nameTag, text);
    const message = create(BindingEventRequestSchema, { name: text });
    expect(writer.finish()).toEqual(Buffer.from(toBinary(BindingEventRequestSchema, message)));
  },
);

test("ASCII up to a letter that is none", () => {
  const writer = new WireWriter();
  writer.text(nameTag, `${"a".repeat(30)}ß`);
  writer.text(nameTag, "b");
  const end = Buffer.from([nameTag, 1, 0x62]);
  expect(writer.finish()).toEqual(
    Buffer.concat([Buffer.from([nameTag, 32]), Buffer.from(`${"a".repeat(30)}ß`), end]),
  );
});

test("leaves room before the message", () => {
  const writer = new WireWriter(5);
  writer.text(nameTag, "x");
  expect(writer.finish().subarray(5)).toEqual(Buffer.from([nameTag, 1, 0x78]));
});
