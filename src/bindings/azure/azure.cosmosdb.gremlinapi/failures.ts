import { STATUS_CODES } from "node:http";
import { BindingError, type Effect, type Reason } from "../../../errors.ts";
import { connectionText } from "../../../http-client/connection-text.ts";
import { failureOfStatus } from "../../../http-client/status.ts";
import type { Response } from "./protocol.ts";

type Meaning = { readonly reason: Reason; readonly effect?: Effect };

/** The words that Dapr answers with, and no more than these. */
export const executing = "CosmosDBGremlinAPI Error:error excuting gremlin";
const longestMessage = 2_000;

/** What TinkerPop's reference says of the codes of a response. A query that has begun may have done a part. */
const ofTinkerPop: Readonly<Record<number, Meaning>> = {
  401: { reason: "unauthenticated", effect: "rejected" },
  403: { reason: "permission_denied", effect: "rejected" },
  407: { reason: "unauthenticated", effect: "rejected" },
  498: { reason: "invalid_argument", effect: "rejected" },
  499: { reason: "invalid_argument", effect: "rejected" },
  595: { reason: "failed_precondition" },
  596: { reason: "unavailable" },
  597: { reason: "invalid_argument" },
  598: { reason: "deadline_exceeded" },
};

/** What Microsoft's reference says of `x-ms-status-code`, which goes before. */
const ofCosmos: Readonly<Record<number, Meaning>> = {
  400: { reason: "invalid_argument" },
  401: { reason: "unauthenticated", effect: "rejected" },
  403: { reason: "permission_denied", effect: "rejected" },
  404: { reason: "not_found" },
  408: { reason: "deadline_exceeded" },
  409: { reason: "already_exists" },
  412: { reason: "aborted" },
  413: { reason: "resource_exhausted" },
  429: { reason: "resource_exhausted" },
  503: { reason: "unavailable" },
  1000: { reason: "invalid_argument" },
  1003: { reason: "resource_exhausted" },
  1004: { reason: "invalid_argument", effect: "rejected" },
  1007: { reason: "unavailable" },
  1008: { reason: "unavailable" },
  1009: { reason: "deadline_exceeded" },
};

/** Why a query has failed, by the response that ended it. */
export function failureOf({ code, message, attributes }: Response): BindingError {
  const own = Number(attributes["x-ms-status-code"]);
  const isCosmos = Number.isSafeInteger(own) && own >= 400;
  const meaning = (isCosmos ? ofCosmos[own] : undefined) ?? ofTinkerPop[code];
  const { reason, effect = "ambiguous" } = meaning ?? { reason: "internal" };
  // Throttled before anything was done; a traversal that is throttled later has done a part.
  const isUntouched = own === 429 && attributes["x-ms-total-request-charge"] === 0;
  const said = message.trim().slice(0, longestMessage).toWellFormed() || "the server says no more";
  return new BindingError(reason, `${executing}: ${said}`, {
    effect: isUntouched ? "unsent" : effect,
    systemCode: String(isCosmos ? own : code),
    retryAfter: milliseconds(attributes["x-ms-retry-after-ms"]),
  });
}

/** A TimeSpan of .NET, as `00:00:09.0530000`, or a number of milliseconds. */
function milliseconds(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  const match = /^(?:(\d+)\.)?(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(String(value));
  if (match === null) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = match.map(Number);
  const all = (((days || 0) * 24 + hours) * 60 + minutes) * 60 + seconds;
  return Math.ceil(all * 1000);
}

/** Why a handshake has failed that the server answered with another status than 101. */
export function refusedWith(status: number): BindingError {
  const { reason } = failureOfStatus(status);
  const text = `the server refuses the WebSocket: ${status} ${STATUS_CODES[status] ?? ""}`.trim();
  return new BindingError(reason === "invalid_argument" ? "failed_precondition" : reason, text, {
    ...{ effect: "unsent", systemCode: String(status) },
  });
}

/** Why there is no connection, or none any more. */
export function broken(error: Error, effect: Effect): BindingError {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (code?.endsWith("_PAYLOAD_LENGTH") || code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
    return tooLarge();
  return new BindingError("unavailable", connectionText(error), {
    ...{ effect, systemCode: code, cause: error },
  });
}

export function closedBy(code: number, reason: Buffer): BindingError {
  const said = reason.length === 0 ? "" : `: ${JSON.stringify(reason.toString("utf8"))}`;
  const text = `the server closed the connection with ${code}${said}`;
  return new BindingError("unavailable", text, { effect: "ambiguous", systemCode: String(code) });
}

export function tooLarge(): BindingError {
  const text = `${executing}: the memory budget has no room for the result`;
  return new BindingError("resource_exhausted", text, { effect: "ambiguous" });
}
