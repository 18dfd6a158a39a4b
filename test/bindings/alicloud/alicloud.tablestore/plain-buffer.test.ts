import { expect, test } from "vitest";
import {
  decodeRow,
  encodeRow,
} from "../../../../src/bindings/alicloud/alicloud.tablestore/plain-buffer.ts";
import { readRow, writeRow } from "../../../servers/tablestore/row-bytes.ts";

const row = {
  primaryKey: [
    { name: "pk", value: "ä" },
    { name: "n", value: -1n },
  ],
  attributes: [
    { name: "half", value: 0.5 },
    { name: "yes", value: true },
    { name: "bytes", value: Buffer.from([1, 2]) },
    { name: "empty", value: "" },
  ],
  isDeleted: false,
};

test("a row is encoded as the reference's grammar has it", () => {
  const bytes = encodeRow({ primaryKey: [{ name: "a", value: 1n }], isDeleted: true });
  const cell = "03 04 01000000 61 05 09000000 00 0100000000000000 0a";
  expect(Buffer.from(bytes).toString("hex")).toMatch(
    new RegExp(`^7500000001${cell.replaceAll(" ", "")}..0809..$`),
  );
  expect(readRow(Buffer.from(bytes))).toEqual({
    ...{ keys: [["a", { kind: "INTEGER", value: 1n }]], columns: [], deletes: true },
  });
});

test("every type is read as it was written", () => {
  expect(decodeRow(encodeRow(row))).toEqual(row);
});

test("what the service adds, a time of each cell, is passed over", () => {
  const bytes = writeRow(
    [["pk", { kind: "STRING", value: "k" }]],
    [["n", { kind: "INTEGER", value: 5n }]],
  );
  expect(decodeRow(bytes)).toEqual({
    primaryKey: [{ name: "pk", value: "k" }],
    attributes: [{ name: "n", value: 5n }],
    isDeleted: false,
  });
});

test("a row of which any byte is missing is refused, and so is one with a bit turned", () => {
  const bytes = encodeRow(row);
  for (let end = 1; end < bytes.length; end++)
    expect(() => decodeRow(bytes.subarray(0, end)), `${end} bytes`).toThrow();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0x10 : byte));
    expect(() => decodeRow(damaged), `byte ${at}`).toThrow();
  }
});
