import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { codesOf, formatCodes, matches, parseCodes } from "../../src/policy/matching.ts";

test.each([
  ["429,500-599", "http", "429,500-599"],
  [" 1 , 4 - 8 ,,", "grpc", "1,4-8"],
  ["", "grpc", undefined],
  [",", "http", undefined],
  ["0-16", "grpc", "0-16"],
] as const)("%j of %s", (text, kind, formatted) => {
  const parsed = parseCodes(text, kind);
  if ("problem" in parsed) expect.fail(parsed.problem);
  expect(parsed.ranges && formatCodes(parsed.ranges)).toBe(formatted);
});

test.each([
  ["99", "http", "99 is no code: they go from 100 to 599"],
  ["100-600", "http", "600 is no code: they go from 100 to 599"],
  ["17", "grpc", "17 is no code: they go from 0 to 16"],
  ["5-4", "grpc", '"5-4" ends before it begins'],
  ["1-2-3", "grpc", '"1-2-3" is neither a code such as 16 nor a range of them'],
  ["-1", "grpc", '"-1" is neither a code such as 16 nor a range of them'],
  ["5xx", "http", '"5xx" is neither a code such as 599 nor a range of them'],
] as const)("%j of %s is refused", (text, kind, problem) => {
  expect(parseCodes(text, kind)).toEqual({ problem });
});

const http = [{ from: 500, to: 599 }];
const grpc = [{ from: 14, to: 14 }];

test.each([
  [{ http }, { http: 503, grpc: 14 }, true],
  [{ http }, { http: 404, grpc: 14 }, false],
  [{ http }, { grpc: 14 }, undefined],
  [{ http, grpc }, { http: 503, grpc: 3 }, true],
  [{ http, grpc }, { http: 404, grpc: 14 }, false],
  [{ http, grpc }, { grpc: 14 }, true],
  [{ grpc }, { http: 404, grpc: 14 }, true],
  [{ grpc }, { grpc: 3 }, false],
  [{ grpc }, {}, undefined],
  [{}, { http: 503, grpc: 14 }, undefined],
])("%j lets %j be repeated: %s", (matching, codes, answer) => {
  expect(matches(matching, codes)).toBe(answer);
});

test.each([
  ["503", { http: 503, grpc: 14 }],
  ["NOREPLICAS", { http: undefined, grpc: 14 }],
  ["20003", { http: undefined, grpc: 14 }],
  [undefined, { http: undefined, grpc: 14 }],
])("a failure with the system's code %j has the codes %j", (systemCode, codes) => {
  expect(codesOf(new BindingError("unavailable", "down", { systemCode }))).toEqual(codes);
});
