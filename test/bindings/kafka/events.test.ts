import { expect, test } from "vitest";
import { eventOf, queryEscape } from "../../../src/bindings/kafka/events.ts";

const place = { topic: "orders", partition: 3, offset: 42, timestamp: 1_700_000_000_123n };
const plain = { exclude: undefined, escape: false };

function event(
  record: { key?: Buffer | null; value?: Buffer | null; headers?: [Buffer, Buffer | null][] },
  format: Parameters<typeof eventOf>[2] = plain,
  at: Partial<typeof place> = {},
): ReturnType<typeof eventOf> {
  return eventOf(
    { key: null, value: null, headers: [], ...record },
    { ...place, ...at },
    format,
    () => {},
  );
}

test("tells where it comes from as Dapr does", () => {
  const { metadata, data, id } = event({ key: Buffer.from("k"), value: Buffer.from("v") });
  expect(metadata).toEqual({
    __key: "k",
    __topic: "orders",
    __partition: "3",
    __offset: "42",
    __timestamp: "1700000000123",
  });
  expect(data).toEqual(Buffer.from("v"));
  expect(id).toBe("orders[3]@42");
});

test("null is a tombstone, empty is empty", () => {
  expect(event({}).data).toBeUndefined();
  expect(event({}).metadata).not.toHaveProperty("__key");
  expect(event({ value: Buffer.alloc(0) }).data).toHaveLength(0);
});

test("keeps headers whole, as bytes, with repeats", () => {
  const headers: [Buffer, Buffer | null][] = [
    [Buffer.from("a"), Buffer.from([0xff, 0x00])],
    [Buffer.from("a"), Buffer.from("2")],
    [Buffer.from("é"), null],
  ];
  expect(event({ headers }).headers).toEqual([
    { name: "a", value: Buffer.from([0xff, 0x00]) },
    { name: "a", value: Buffer.from("2") },
    { name: "é", value: new Uint8Array() },
  ]);
  expect(
    event({ headers }, { exclude: /^a$/, escape: false }).headers.map(({ name }) => name),
  ).toEqual(["é"]);
});

test("a key that is no text is base64, and says so", () => {
  const { metadata } = event({ key: Buffer.from([0xff, 0xfe]) });
  expect(metadata).toMatchObject({ __key: "//4=", "__key.encoding": "base64" });
});

test("escapes like Go's url.QueryEscape", () => {
  expect(queryEscape(Buffer.from("a b/ü~-_.+&="))).toBe("a+b%2F%C3%BC~-_.%2B%26%3D");
  const escaped = event(
    { key: Buffer.from("k/1"), headers: [[Buffer.from("h"), Buffer.from("x y")]] },
    { exclude: undefined, escape: true },
  );
  expect(escaped.metadata["__key"]).toBe("k%2F1");
  expect(escaped.headers).toEqual([{ name: "h", value: Buffer.from("x+y") }]);
});

test("orders by topic and key; without a key by partition", () => {
  const key = Buffer.from("k");
  expect(event({ key }).key).toBe(event({ key }, plain, { partition: 9, offset: 7 }).key);
  expect(event({ key }).key).not.toBe(event({ key }, plain, { topic: "other" }).key);
  expect(event({}).key).toBe(event({}, plain, { offset: 7 }).key);
  expect(event({}).key).not.toBe(event({}, plain, { partition: 4 }).key);
  expect(event({ key: Buffer.from("[3]") }).key).not.toBe(event({}).key);
  expect(event({ key: Buffer.from([0xff]) }).key).not.toBe(event({ key: Buffer.from([0xfe]) }).key);
});
