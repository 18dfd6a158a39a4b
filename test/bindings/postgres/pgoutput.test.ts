import { describe, expect, test } from "vitest";
import { lsnText, parseLsn } from "../../../src/bindings/postgres/lsn.ts";
import { readOutput } from "../../../src/bindings/postgres/pgoutput.ts";

/** A message of letters, numbers of so many bytes, and texts that end with a zero byte. */
function message(...parts: readonly (string | readonly [bytes: number, value: bigint])[]): Buffer {
  const bytes = parts.map((part) => {
    if (typeof part === "string") return Buffer.from(part);
    const [size, value] = part;
    return Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex");
  });
  return Buffer.concat(bytes);
}

const one = message(
  ...["R", [4, 7n] as const, "public\0", "orders\0", "d", [2, 2n] as const],
  ...[[1, 1n] as const, "id\0", [4, 20n] as const, [4, 0n] as const],
  ...[[1, 0n] as const, "name\0", [4, 25n] as const, [4, 0n] as const],
);
const update = message(
  ...["U", [4, 7n] as const, "K", [2, 2n] as const, "t", [4, 1n] as const, "1", "n"],
  ...["N", [2, 2n] as const, "t", [4, 1n] as const, "2", "u"],
);
const truncate = message("T", [4, 2n], [1, 3n], [4, 7n], [4, 8n]);

describe("messages", () => {
  test("are read", () => {
    expect(readOutput(one)).toEqual({
      kind: "relation",
      relation: {
        ...{ id: 7, schema: "public", name: "orders", identity: "d" },
        columns: [
          { isIdentity: true, name: "id", type: 20 },
          { isIdentity: false, name: "name", type: 25 },
        ],
      },
    });
    expect(readOutput(update)).toEqual({
      ...{ kind: "update", relation: 7, beforeIsIdentity: true },
      ...{ before: ["1", null], after: ["2", undefined] },
    });
    expect(readOutput(truncate)).toEqual({
      ...{ kind: "truncate", relations: [7, 8], cascade: true, restartIdentity: true },
    });
    expect(readOutput(Buffer.from("Y and so on"))).toEqual({ kind: "other" });
  });

  test("that end too early are refused, wherever they end", () => {
    for (const whole of [one, update, truncate])
      for (let length = 0; length < whole.length; length++) {
        const read = () => readOutput(whole.subarray(0, length));
        expect(read, `${length} bytes`).toThrow(RangeError);
      }
  });

  test("whose counts are larger than they are cost nothing", () => {
    const began = performance.now();
    expect(() => readOutput(message("T", [4, 0xff_ff_ff_ffn], [1, 0n]))).toThrow(RangeError);
    const value = message("I", [4, 7n], "N", [2, 1n], "t", [4, 0xff_ff_ff_ffn], "x");
    expect(() => readOutput(value)).toThrow(RangeError);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

test.each([
  [0n, "0/0"],
  [0x16_b374_d848n, "16/B374D848"],
  [2n ** 63n - 1n, "7FFFFFFF/FFFFFFFF"],
])("the place %s is written %s", (place, text) => {
  expect(lsnText(place)).toBe(text);
  expect(parseLsn(text)).toBe(place);
});

test("what is no place is none", () => {
  for (const text of ["", "1", "1/", "/1", "1/2/3", "g/1", "123456789/0"])
    expect(parseLsn(text)).toBeUndefined();
});
