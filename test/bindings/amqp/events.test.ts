import * as fc from "fast-check";
import { expect, test } from "vitest";
import { contentOf } from "../../../src/bindings/amqp/events.ts";
import { rhea } from "./peer.ts";

const { types, message } = rhea;

function read(about: object) {
  const { data, metadata, headers, ...rest } = contentOf(
    message.encode({ body: message.data_section(Buffer.from("x")), ...about }),
    0,
    "orders",
  );
  return { text: Buffer.from(data ?? []).toString(), metadata, headers, ...rest };
}

const uuid = Buffer.from("00112233445566778899aabbccddeeff", "hex");

test.each([
  ["text", "m-1", "m-1", undefined],
  ["ulong", 17, "17", "ulong"],
  ["large ulong", types.wrap_ulong(Buffer.alloc(8, 255)), "18446744073709551615", "ulong"],
  ["uuid", uuid, "00112233-4455-6677-8899-aabbccddeeff", "uuid"],
  ["binary", types.wrap_binary(Buffer.from([0, 255])), "AP8=", "binary"],
])("the message id as %s", (_, given, text, type) => {
  const { metadata, id } = read({ message_id: given, correlation_id: given });
  expect(metadata["messageId"]).toBe(text);
  expect(metadata["messageIdType"]).toBe(type);
  expect(metadata["correlationId"]).toBe(text);
  expect(metadata["correlationIdType"]).toBe(type);
  expect(id).toBe(text);
});

test.each([
  ["bytes", message.data_section(Buffer.from("abc")), "abc", "data"],
  ["several sections", message.data_sections([Buffer.from("a"), Buffer.from("bc")]), "abc", "data"],
  ["a string", "grün", "grün", "string"],
  ["binary", Buffer.from("abc"), "abc", "value"],
  ["nothing", null, "null", "value"],
  [
    "a long",
    types.wrap_long(Buffer.from("8000000000000000", "hex")),
    "-9223372036854775808",
    "value",
  ],
  ["a number", 1.5, "1.5", "value"],
  ["not a number", types.wrap_double(Number.NaN), "null", "value"],
  ["a uuid", types.wrap_uuid(uuid), "00112233-4455-6677-8899-aabbccddeeff", "value"],
  ["a time", types.wrap_timestamp(1_700_000_000_123), "2023-11-14T22:13:20.123Z", "value"],
  [
    "a far time",
    types.wrap_timestamp(Buffer.alloc(8, 127) as never),
    String(0x7f7f7f7f7f7f7f7fn),
    "value",
  ],
  ["a list", [1, "two", null, [true]], '[1,"two",null,[true]]', "value"],
  ["a map", { a: 1, b: { c: Buffer.from("x") } }, '{"a":1,"b":{"c":"eA=="}}', "value"],
  ["an array", types.wrap_array([1, 2, 3], 0x71, undefined), "[1,2,3]", "value"],
  ["a sequence", message.sequence_section([1, "two"]), '[1,"two"]', "sequence"],
  ["sequences", message.sequence_sections([[1], [], [2, 3]]), "[1,2,3]", "sequence"],
])("a body that is %s", (_, body, text, bodyType) => {
  const read1 = read({ body });
  expect(read1.text).toBe(text);
  expect(read1.metadata["bodyType"]).toBe(bodyType);
});

test("the header: attempts, the first acquirer", () => {
  expect(read({})).toMatchObject({ attempt: 1, redelivered: undefined });
  expect(read({ first_acquirer: true })).toMatchObject({ attempt: 1, redelivered: false });
  expect(read({ delivery_count: 2 })).toMatchObject({ attempt: 3, redelivered: true });
  expect(read({ durable: true, priority: 7, ttl: 5000 }).metadata).toMatchObject({
    ...{ durable: "true", priority: "7", ttl: "5000" },
  });
});

test("all properties, annotations and the group", () => {
  const { metadata, key } = read({
    user_id: Buffer.from("shop"),
    to: "a",
    subject: "b",
    reply_to: "c",
    content_type: "d",
    content_encoding: "e",
    absolute_expiry_time: new Date(0),
    group_id: "g",
    group_sequence: 5,
    reply_to_group_id: "h",
    delivery_annotations: { d: 1 },
    message_annotations: { m: "two" },
  });
  expect(metadata).toMatchObject({
    ...{ userId: "c2hvcA==", to: "a", subject: "b", replyTo: "c", contentType: "d" },
    ...{ contentEncoding: "e", absoluteExpiryTime: "1970-01-01T00:00:00.000Z", groupId: "g" },
    ...{ groupSequence: "5", replyToGroupId: "h", "annotation:d": "1", "annotation:m": "two" },
  });
  expect(key).toBe("g");
});

const data = (...bytes: number[]) => Buffer.from([0, 0x53, 0x75, 0xa0, bytes.length, ...bytes]);
const value = (...bytes: number[]) => Buffer.from([0, 0x53, 0x77, ...bytes]);

/** Nothing of it may end the process, or take memory or time that its bytes do not warrant. */
test.each([
  ["a type that there is not", value(0x01)],
  ["no descriptor", Buffer.from([0x40])],
  ["a body that is cut off", Buffer.from([0, 0x53, 0x75, 0xb0, 0, 0, 1, 0, 1])],
  ["data that is no bytes", Buffer.from([0, 0x53, 0x75, 0x40])],
  ["properties that are no list", Buffer.from([0, 0x53, 0x73, 0x40])],
  ["headers that are no map", Buffer.from([0, 0x53, 0x74, 0x45])],
  ["a map with a key alone", value(0xc1, 2, 1, 0x40)],
  ["four thousand million nulls", value(0xf0, 0, 0, 0, 5, 255, 255, 255, 255, 0x40)],
  ["a list that says more than it has", value(0xd0, 0, 0, 0, 5, 255, 255, 255, 255, 0x40)],
  ["a list of another size", value(0xc0, 3, 1, 0x40, 0x40)],
  ["a million lists in each other", Buffer.concat([value(), Buffer.alloc(1_000_000, 0)])],
  [
    "ten thousand lists in each other",
    value(...Array.from({ length: 10_000 }, () => [0xc0, 255, 1]).flat()),
  ],
])("%s: its bytes come, with the reason", (_, bytes) => {
  const whole = Buffer.concat([data(1), bytes]);
  const content = contentOf(whole, 0, "orders");
  expect(Buffer.from(content.data ?? []).equals(whole)).toBe(true);
  expect(content.metadata["undecodable"]).toBeTypeOf("string");
});

test("a format of its own: its bytes come", () => {
  const content = contentOf(Buffer.from("abc"), 7, "orders");
  expect(content).toMatchObject({ metadata: { address: "orders", messageFormat: "7" } });
});

test("a text that is no UTF-8 keeps its bytes as a body and as a header", () => {
  const bytes = Buffer.concat([
    Buffer.from([0, 0x53, 0x74, 0xc1, 7, 2, 0xa1, 1, 0x61, 0xa1, 1, 255]),
    value(0xa1, 2, 255, 254),
  ]);
  const { data: body, headers } = contentOf(bytes, 0, "orders");
  expect(body).toEqual(Buffer.from([255, 254]));
  expect(headers).toEqual([{ name: "a", value: Buffer.from([255]) }]);
});

test("whatever bytes come, there is an event", () => {
  const whole = message.encode({
    ...{ durable: true, message_id: uuid, group_id: "g", creation_time: new Date(0) },
    message_annotations: { list: [1, "two", { three: [null, true, 4.5] }] },
    application_properties: { text: "grün", long: types.wrap_long(Buffer.alloc(8, 127)) },
    body: message.sequence_section([types.wrap_array([1, 2, 3], 0x71, undefined), "x"]),
  });
  const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 });
  const eventOf = (bytes: Uint8Array): void => {
    const { data, metadata } = contentOf(Buffer.from(bytes), 0, "orders");
    expect(data).toBeInstanceOf(Buffer);
    for (const value of Object.values(metadata)) expect(value).toBeTypeOf("string");
  };
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      changes,
      fc.nat(whole.length),
      (any, list, end) => {
        eventOf(any);
        const changed = Buffer.from(whole);
        for (const [at, value] of list) changed[at] = value;
        eventOf(changed);
        eventOf(changed.subarray(0, end));
      },
    ),
    { numRuns: 3000 },
  );
});
