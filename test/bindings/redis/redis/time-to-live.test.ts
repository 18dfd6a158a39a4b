import { describe, expect, test } from "vitest";
import { timeToLive } from "../../../../src/bindings/redis/redis/time-to-live.ts";

describe("how long a key stays", () => {
  test.each([
    [{}, undefined],
    [{ ttl: "" }, undefined],
    [{ ttl: "60" }, 60_000],
    [{ ttlInSeconds: "60" }, 60_000],
    [{ TTLinSECONDS: "5" }, 5000],
    [{ ttlInSeconds: "5", Ttl: "7" }, 7000],
    [{ ttl: "7", ttlInSeconds: "5" }, 7000],
    [{ ttl: "", ttlInSeconds: "5" }, 5000],
    [{ ttl: "1h30m" }, 5_400_000],
    [{ ttl: "250ms" }, 250],
    [{ ttl: "1us" }, 1],
    [{ ttl: "0" }, 0],
    [{ ttl: "-5s" }, 0],
  ])("%j", (properties, expected) => {
    expect(timeToLive(properties as Record<string, string>)).toBe(expected);
  });

  test.each([
    ["-1", "ttl value must be higher than zero: actual is '-1'"],
    ["soon", "ttl value must be a valid integer: actual is 'soon'"],
    ["1.5", "ttl value must be a valid integer: actual is '1.5'"],
    ["9".repeat(30), "ttl value must be a valid integer: actual is"],
  ])("refuses %s", (ttl, message) => {
    expect(() => timeToLive({ ttl })).toThrow(message);
  });
});
