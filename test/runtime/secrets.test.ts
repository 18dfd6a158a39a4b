import { expect, test } from "vitest";
import { secretsOf } from "../../src/runtime/secrets.ts";

test("each secret is hidden wherever it stands, the longer one first", () => {
  const { redact } = secretsOf(["hunter2", "hunter2-long", "abc"]);
  expect(redact("hunter2-long, hunter2 and hunter2; abc")).toBe("***, *** and ***; abc");
});

test("without secrets nothing changes", () => {
  expect(secretsOf([]).redact("text")).toBe("text");
});
