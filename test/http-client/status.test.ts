import { expect, test, vi } from "vitest";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../src/http-client/status.ts";

test.each([
  [304, "failed_precondition", "rejected"],
  [400, "invalid_argument", "rejected"],
  [401, "unauthenticated", "rejected"],
  [403, "permission_denied", "rejected"],
  [404, "not_found", "rejected"],
  [408, "deadline_exceeded", "ambiguous"],
  [409, "aborted", "rejected"],
  [410, "not_found", "rejected"],
  [412, "failed_precondition", "rejected"],
  [413, "resource_exhausted", "rejected"],
  [416, "out_of_range", "rejected"],
  [418, "invalid_argument", "rejected"],
  [429, "resource_exhausted", "unsent"],
  [500, "internal", "ambiguous"],
  [501, "unimplemented", "ambiguous"],
  [502, "unavailable", "ambiguous"],
  [503, "unavailable", "ambiguous"],
  [504, "deadline_exceeded", "ambiguous"],
  [599, "internal", "ambiguous"],
])("%s is %s and %s", (status, reason, effect) => {
  expect(failureOfStatus(status)).toEqual({ reason, effect });
  expect(isSuccess(status)).toBe(false);
});

test("2xx is success", () => {
  expect([199, 200, 204, 299, 300].map(isSuccess)).toEqual([false, true, true, true, false]);
});

test("Retry-After in seconds, as a date, and as neither", () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 0, 0, 0) });
  try {
    expect(retryAfterOf("3")).toBe(3000);
    expect(retryAfterOf(["4", "5"])).toBe(4000);
    expect(retryAfterOf("Thu, 01 Jan 2026 00:00:10 GMT")).toBe(10_000);
    expect(retryAfterOf("Wed, 31 Dec 2025 00:00:00 GMT")).toBe(0);
    expect(retryAfterOf("soon")).toBeUndefined();
    expect(retryAfterOf(undefined)).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});
