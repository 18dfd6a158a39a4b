import { expect, test } from "vitest";
import { connectionText, wasClosed } from "../../src/http-client/connection-text.ts";

function failure(message: string, facts: object): Error {
  return Object.assign(new Error(message), facts);
}

const refused = { code: "ECONNREFUSED", port: 80 };

test.each([
  [
    failure("connect ECONNREFUSED 127.0.0.1:80", { ...refused, address: "127.0.0.1" }),
    "dial tcp 127.0.0.1:80: connect: connection refused",
  ],
  [
    failure("connect ECONNREFUSED ::1:80", { ...refused, address: "::1" }),
    "dial tcp [::1]:80: connect: connection refused",
  ],
  [
    new AggregateError([
      failure("connect ECONNREFUSED ::1:80", { ...refused, address: "::1" }),
      failure("connect ECONNREFUSED 127.0.0.1:80", { ...refused, address: "127.0.0.1" }),
    ]),
    "dial tcp 127.0.0.1:80: connect: connection refused",
  ],
  [
    failure("getaddrinfo ENOTFOUND no.invalid", { code: "ENOTFOUND", hostname: "no.invalid" }),
    "dial tcp: lookup no.invalid: no such host",
  ],
  [failure("read ECONNRESET", { code: "ECONNRESET" }), "read: connection reset by peer"],
  [failure("other side closed", { code: "UND_ERR_SOCKET" }), "EOF"],
  [failure("self-signed certificate", { code: "DEPTH_ZERO" }), "self-signed certificate"],
  [new AggregateError([], "all failed"), "all failed"],
])("%s is told as %s", (error, text) => {
  expect(connectionText(error)).toBe(text);
});

test("only what the other side did is a closed connection", () => {
  expect(wasClosed(failure("other side closed", { code: "UND_ERR_SOCKET" }))).toBe(true);
  expect(wasClosed(failure("closed", { code: "UND_ERR_SOCKET" }))).toBe(false);
  expect(wasClosed(new Error("other side closed"))).toBe(false);
});
