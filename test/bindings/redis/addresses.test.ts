import { describe, expect, test } from "vitest";
import { parseAddresses } from "../../../src/bindings/redis/addresses.ts";

describe("hosts and ports", () => {
  test.each([
    ["localhost", undefined, [["localhost", 6379]]],
    ["localhost", 0, [["localhost", 6379]]],
    ["localhost", 7000, [["localhost", 7000]]],
    ["localhost:7000", undefined, [["localhost", 7000]]],
    ["localhost:7000", 7000, [["localhost", 7000]]],
    [
      "a:1, b ,c:3",
      undefined,
      [
        ["a", 1],
        ["b", 6379],
        ["c", 3],
      ],
    ],
    ["[::1]:7000", undefined, [["::1", 7000]]],
    ["::1", 7000, [["::1", 7000]]],
  ])("%s with port %s", (hosts, port, expected) => {
    expect(parseAddresses(hosts, port).map((one) => [one.host, one.port])).toEqual(expected);
  });

  test("refuses a port that is none", () => {
    expect(() => parseAddresses("a:70000", undefined)).toThrow("is no host:port");
  });
});
