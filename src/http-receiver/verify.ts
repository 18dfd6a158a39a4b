import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Refusal } from "./receiver.ts";

/** What of a request is signed. */
export type SignedRequest = {
  readonly headers: IncomingHttpHeaders;
  /** The query as it came, without `?`; empty when there is none. */
  readonly query: string;
  readonly body: Uint8Array;
};

/**
 * Answers why a request is not the sender's, or nothing when it is. The reason is for the log; it
 * quotes neither secrets nor signatures.
 */
export type Verify = (request: SignedRequest) => string | undefined;

/** Refuses what is not the sender's. */
export function refuseUnsigned(verify: Verify): (request: SignedRequest) => Refusal | undefined {
  return (request) => {
    const reason = verify(request);
    return reason === undefined
      ? undefined
      : { status: 403, text: "the signature is missing or wrong", reason };
  };
}

/** Compares in constant time. The length is no secret. */
export function same(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** A header's value, the first of several. */
export function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
