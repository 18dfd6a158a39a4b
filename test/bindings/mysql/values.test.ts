// What no server here sends: MySQL's own JSON, and times that MariaDB does not store.
import { expect, test } from "vitest";
import {
  sentJson,
  textJson,
  writesNull,
  type Column,
} from "../../../src/bindings/mysql/columns.ts";
import { PacketReader } from "../../../src/bindings/mysql/packets.ts";
import { dateTimeJson, sentDateTime, sentTime, zoneOf } from "../../../src/bindings/mysql/times.ts";

const column = (type: number, more: Partial<Column> = {}): Column => ({
  ...{ name: "a", fullName: "a", type, isUnsigned: false, isBinary: true, decimals: 0 },
  ...more,
});

test("MySQL's JSON is base64 of its text, and null where it is NULL", () => {
  const json = column(245, { isBinary: true });
  const text = Buffer.from('{"a": 1}');
  expect(textJson(json, text, undefined)).toBe(`"${text.toString("base64")}"`);
  const reader = new PacketReader(Buffer.concat([Buffer.of(text.length), text]));
  expect(sentJson(json, reader, undefined)).toBe(`"${text.toString("base64")}"`);
  expect(writesNull(json)).toBe(true);
  expect(writesNull(column(6))).toBe(true);
  expect(writesNull(column(253, { isBinary: false }))).toBe(false);
  expect(writesNull(column(8))).toBe(false);
});

test.each([
  ["0000-00-00", '"0001-01-01T00:00:00Z"'],
  ["0000-00-00 00:00:00.000000", '"0001-01-01T00:00:00Z"'],
  ["2024-00-00", '"2023-11-30T00:00:00Z"'],
  ["2024-01-02 03:04:05.100000", '"2024-01-02T03:04:05.1Z"'],
  ["0001-01-01", '"0001-01-01T00:00:00Z"'],
  ["no time", '"no time"'],
])("%s is %s", (text, json) => {
  expect(dateTimeJson(text, undefined)).toBe(json);
});

test.each([
  ["Europe/Berlin", "2024-03-31 02:30:00", '"2024-03-31T02:30:00+01:00"'],
  ["Europe/Berlin", "2024-10-27 02:30:00", '"2024-10-27T02:30:00+01:00"'],
  ["America/New_York", "2024-07-01 00:00:00", '"2024-07-01T00:00:00-04:00"'],
  ["Asia/Kathmandu", "2024-07-01", '"2024-07-01T00:00:00+05:45"'],
])("in %s, %s is %s", (zone, text, json) => {
  expect(dateTimeJson(text, zoneOf(zone))).toBe(json);
});

test("times that were sent in bytes are those in text", () => {
  expect(sentDateTime(Buffer.alloc(0))).toBe("0000-00-00");
  expect(sentDateTime(Buffer.from("e8070102", "hex"))).toBe("2024-01-02");
  expect(sentDateTime(Buffer.from("e8070102030405", "hex"))).toBe("2024-01-02 03:04:05");
  expect(sentDateTime(Buffer.from("e8070102030405a0860100", "hex"))).toBe(
    "2024-01-02 03:04:05.100000",
  );
  expect(sentTime(Buffer.alloc(0), 3)).toBe("00:00:00.000");
  expect(sentTime(Buffer.from("0122000000163b3b", "hex"), 0)).toBe("-838:59:59");
  expect(sentTime(Buffer.from("000000000001020320a10700", "hex"), 1)).toBe("01:02:03.5");
});
