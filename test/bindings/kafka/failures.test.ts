import * as driver from "@platformatic/kafka";
import { expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import {
  errorOf,
  errorOfFailure,
  failureOf,
  failureOfCode,
  isStale,
  isPossibleAfterAppend,
} from "../../../src/bindings/kafka/failures.ts";

test.each([
  [6, "NOT_LEADER_OR_FOLLOWER", "unsent", "unavailable"],
  [19, "NOT_ENOUGH_REPLICAS", "unsent", "unavailable"],
  [7, "REQUEST_TIMED_OUT", "ambiguous", "unavailable"],
  [20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "ambiguous", "unavailable"],
  [10, "MESSAGE_TOO_LARGE", "rejected", "resource_exhausted"],
  [29, "TOPIC_AUTHORIZATION_FAILED", "rejected", "permission_denied"],
  [87, "INVALID_RECORD", "rejected", "invalid_argument"],
])("error %i is %s: %s, %s", (number, code, effect, reason) => {
  const failure = failureOfCode(driver, number, "said so");
  expect(errorOfFailure("writing", failure, "ambiguous")).toMatchObject({
    reason,
    effect,
    systemCode: code,
    message: expect.stringMatching(
      code === "MESSAGE_TOO_LARGE"
        ? /^kafka server: Message was too large, .*; writing: raise the topic's max\.message\.bytes/
        : new RegExp(`^writing: ${code}: said so`),
    ) as string,
  });
  expect(errorOfFailure("writing", failure, "unsent", { inDoubt: true }).effect).toBe("ambiguous");
});

test("a number that the driver does not know is told as it is", () => {
  expect(failureOfCode(driver, 9999)).toEqual({
    code: "ERROR_9999",
    message: expect.stringContaining("no reason") as string,
  });
});

// A leader that shuts down says the first of what is in its log and waits for replicas.
test.each([
  ["NOT_LEADER_OR_FOLLOWER", true, true],
  ["KAFKA_STORAGE_ERROR", true, true],
  ["LEADER_NOT_AVAILABLE", true, false],
  ["NOT_ENOUGH_REPLICAS", true, false],
  ["MESSAGE_TOO_LARGE", false, false],
])("%s: look topics up again %j, may be stored %j", (code, stale, stored) => {
  expect(isStale({ code, message: "" })).toBe(stale);
  expect(isPossibleAfterAppend({ code, message: "" })).toBe(stored);
});

test("tells the deepest cause of a broken connection", () => {
  const broken = new driver.MultipleErrors("Cannot connect to any broker.", [
    new driver.NetworkError("Connection to x:1 failed.", {
      cause: new Error("connect ECONNREFUSED x:1"),
    }),
  ]);
  expect(failureOf(broken)).toEqual({ code: undefined, message: "connect ECONNREFUSED x:1" });
  expect(errorOf("opening", broken, "unsent")).toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message: "opening: connect ECONNREFUSED x:1",
  });
});

test("leaves an error of ours as it is, however deep", () => {
  const own = new BindingError("unauthenticated", "no token", { effect: "unsent" });
  expect(errorOf("opening", new driver.NetworkError("failed", { cause: own }), "ambiguous")).toBe(
    own,
  );
});
