import { expect, test } from "vitest";
import { decodeGrpcMessage, encodeBinaryHeader, encodeGrpcMessage } from "../../src/grpc/status.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "../../src/grpc/timeout.ts";

test.each([
  ["", ""],
  ["plain ~text", "plain ~text"],
  ["100%", "100%25"],
  [" a b  ", "%20a b %20"],
  [" ", "%20"],
  ["a\nb\tü€😀", "a%0Ab%09%C3%BC%E2%82%AC%F0%9F%98%80"],
])("the message %j is written %j, and read back", (text, header) => {
  expect(encodeGrpcMessage(text)).toBe(header);
  expect(decodeGrpcMessage(header)).toBe(text);
});

test("broken escapes are read as they stand", () => {
  expect(decodeGrpcMessage("50% of %zz %")).toBe("50% of %zz %");
  expect(decodeGrpcMessage("%ff")).toBe("\ufffd");
});

test("binary headers have no padding", () => {
  expect(encodeBinaryHeader(Buffer.from([1]))).toBe("AQ");
  expect(encodeBinaryHeader(new Uint8Array([0xfb, 0xff]))).toBe("+/8");
});

test.each([
  ["1000u", 1],
  ["1001u", 2],
  ["2998232u", 2999],
  ["500m", 500],
  ["3S", 3000],
  ["2M", 120_000],
  ["1H", 3_600_000],
  ["1n", 1],
  ["0S", 0],
  ["99999999H", 99_999_999 * 3_600_000],
])("a timeout of %s is %d ms", (header, milliseconds) => {
  expect(parseGrpcTimeout(header)).toBe(milliseconds);
});

test.each(["", "1", "m", "1.5S", "-1S", "123456789m", "1s", " 1S", "1S "])(
  "%j is no timeout",
  (header) => {
    expect(parseGrpcTimeout(header)).toBeUndefined();
  },
);

test("timeouts are written in at most eight digits, and never shorter", () => {
  for (const milliseconds of [0, 0.5, 1, 999, 99_999, 100_000, 3_600_000, 86_400_000, 1e10, 1e12]) {
    const header = formatGrpcTimeout(milliseconds);
    expect(header).toMatch(/^\d{1,8}[umS]$/);
    if (milliseconds < 99_999_999_000)
      expect(parseGrpcTimeout(header)).toBeGreaterThanOrEqual(milliseconds);
  }
});
