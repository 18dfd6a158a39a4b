import { createHash, timingSafeEqual } from "node:crypto";

import type { RequestHead } from "../grpc/request-head.ts";

/** Why a call is refused for want of the API token, in Dapr's words. */
export type TokenProblem =
  | "missing api token in request metadata"
  | "authentication error: api token mismatch";

/** Checks `dapr-api-token`; the same for every protocol and port. */
export type TokenCheck = (request: RequestHead) => TokenProblem | undefined;

/** A check for the token, in constant time; without a token everything passes. Of repeated headers the first counts. */
export function tokenCheck(token: string | undefined): TokenCheck {
  if (token === undefined || token === "") return () => undefined;
  const expected = digest(token);
  return (request) => {
    // Repeats are joined by a comma and a space.
    const given = request.get("dapr-api-token")?.split(", ")[0];
    if (given === undefined || given === "") return "missing api token in request metadata";
    return timingSafeEqual(digest(given), expected)
      ? undefined
      : "authentication error: api token mismatch";
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
