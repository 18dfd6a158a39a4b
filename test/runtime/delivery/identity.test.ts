import { expect, test } from "vitest";
import { fingerprintOf, identityOf } from "../../../src/runtime/delivery/identity.ts";
import { timeOrderedUuid } from "../../../src/runtime/uuid.ts";

const header = (name: string, value: string) => ({ name, value: Buffer.from(value) });
const event = {
  id: undefined,
  key: "k",
  headers: [header("a", "1"), header("b", "2")],
  data: Buffer.from("payload"),
};

test.each([
  ["key", { key: "l" }],
  ["no key", { key: undefined }],
  ["an empty key", { key: "" }],
  ["payload", { data: Buffer.from("payloae") }],
  ["no payload", { data: undefined }],
  ["an empty payload", { data: new Uint8Array() }],
  ["a header's value", { headers: [header("a", "1"), header("b", "3")] }],
  ["the order of headers", { headers: [header("b", "2"), header("a", "1")] }],
  ["where a name ends", { headers: [header("a1", ""), header("b", "2")] }],
  ["a header more", { headers: [...event.headers, header("c", "")] }],
])("a fingerprint tells events apart by %s", (_, change) => {
  expect(fingerprintOf({ ...event, ...change })).not.toBe(fingerprintOf(event));
});

test("a fingerprint is the same however a broker has counted, and for a key in bytes", () => {
  const counted = [header("x-delivery-count", "3"), ...event.headers, header("x-death", "[]")];
  expect(fingerprintOf({ ...event, headers: counted })).toBe(fingerprintOf(event));
  expect(fingerprintOf({ ...event, key: Buffer.from("k") })).toBe(fingerprintOf(event));
});

test("beside a source's own id, headers that change with each repetition tell nothing apart", () => {
  const named = { ...event, id: "7" };
  const repeated = { ...named, headers: [header("traceparent", "00-2"), ...event.headers] };
  expect(fingerprintOf(repeated)).toBe(fingerprintOf(named));
  expect(fingerprintOf({ ...named, data: Buffer.from("other") })).not.toBe(fingerprintOf(named));
});

test("an event's identity is its id, and without one it is its own, equal to others or not", () => {
  expect(identityOf({ ...event, id: "7" }).identity).toBe("7");
  const [one, other] = [identityOf(event), identityOf(event)];
  expect(one.fingerprint).toBe(other.fingerprint);
  expect(one.identity).not.toBe(other.identity);
  expect(one.identity.startsWith(`${one.fingerprint}/`)).toBe(true);
});

test("UUIDs are of version 7, carry their time, and rise in any case", () => {
  const now = 1_795_000_000_000;
  const ids = Array.from({ length: 10_000 }, (_, n) => timeOrderedUuid(now - (n > 5000 ? 5 : 0)));
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids.slice(0, 10))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const later = Date.now() + 1e9;
  expect(parseInt(timeOrderedUuid(later).replace("-", "").slice(0, 12), 16)).toBe(later);
});
