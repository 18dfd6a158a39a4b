import { expect, test } from "vitest";
import { BindingError, messageOf } from "../src/errors.ts";

test("is rejected unless something else is said", () => {
  const cause = new Error("below");
  const error = new BindingError("not_found", "no such key", { systemCode: "404", cause });
  expect(error).toMatchObject({
    name: "BindingError",
    reason: "not_found",
    effect: "rejected",
    systemCode: "404",
    message: "no such key",
    cause,
  });
  expect("cause" in new BindingError("internal", "x")).toBe(false);
});

test("from: one stays as it is, anything else is internal and ambiguous", () => {
  const own = new BindingError("aborted", "x");
  expect(BindingError.from(own, "unavailable")).toBe(own);
  const stray = new TypeError("boom");
  expect(BindingError.from(stray)).toMatchObject({
    reason: "internal",
    effect: "ambiguous",
    message: "boom",
    cause: stray,
  });
  expect(BindingError.from("text", "unavailable", "unsent")).toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message: "text",
  });
});

test.each([
  [new Error("a"), "a"],
  [new TypeError(), "TypeError"],
  [new AggregateError([new Error("a"), new AggregateError([new Error("b")])]), "a; b"],
  [new AggregateError([]), "AggregateError"],
  [new AggregateError([new Error("a")], "both"), "both"],
  [
    Object.assign(new Error("40:error:0A00010B:SSL routines:f:wrong version number:a.c:78:\n"), {
      code: "ERR_SSL_WRONG_VERSION_NUMBER",
      reason: "wrong version number",
    }),
    "no TLS is spoken there (wrong version number)",
  ],
  [
    Object.assign(new Error("x:error:y:SSL routines:f:tlsv1 alert unknown ca:a.c:1:\n"), {
      code: "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
      reason: "tlsv1 alert unknown ca",
    }),
    "TLS: tlsv1 alert unknown ca",
  ],
  [
    Object.assign(
      new Error("write EPROTO 40:error:0A00010B:SSL routines:f:wrong version number:a.c:78:\n"),
      { code: "EPROTO" },
    ),
    "no TLS is spoken there (wrong version number)",
  ],
  [Object.assign(new Error("write EPROTO"), { code: "EPROTO" }), "write EPROTO"],
  ["", "unknown error"],
  [undefined, "undefined"],
  [null, "null"],
])("messageOf %s", (thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
});
