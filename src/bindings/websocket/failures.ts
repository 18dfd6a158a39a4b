import { STATUS_CODES } from "node:http";
import { BindingError } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import { connectionText } from "../../http-client/connection-text.ts";
import { failureOfStatus, retryAfterOf } from "../../http-client/status.ts";

type Close = { readonly name: string; readonly reason: Reason };

/** What the codes mean that RFC 6455 and its registry have; any other is the application's own. */
const closes: Readonly<Record<number, Close>> = {
  1000: { name: "normal closure", reason: "unavailable" },
  1001: { name: "going away", reason: "unavailable" },
  1002: { name: "protocol error", reason: "failed_precondition" },
  1003: { name: "unsupported data", reason: "failed_precondition" },
  1005: { name: "no code", reason: "unavailable" },
  1006: { name: "no closing handshake", reason: "unavailable" },
  1007: { name: "invalid payload", reason: "failed_precondition" },
  1008: { name: "policy violation", reason: "permission_denied" },
  1009: { name: "message too big", reason: "resource_exhausted" },
  1010: { name: "missing extension", reason: "failed_precondition" },
  1011: { name: "internal error", reason: "unavailable" },
  1012: { name: "service restart", reason: "unavailable" },
  1013: { name: "try again later", reason: "unavailable" },
  1014: { name: "bad gateway", reason: "unavailable" },
  3000: { name: "unauthorized", reason: "unauthenticated" },
  3003: { name: "forbidden", reason: "permission_denied" },
  3008: { name: "timeout", reason: "unavailable" },
};

/** Why a connection has ended that the server closed. */
export function closedBy(code: number, reason: Buffer, effect: Effect): BindingError {
  const { name, reason: why } = closes[code] ?? { name: "", reason: "unavailable" as const };
  const said = reason.length === 0 ? "" : `: ${JSON.stringify(reason.toString("utf8"))}`;
  const text = `the server closed the connection with ${code}${name && ` (${name})`}${said}`;
  return new BindingError(why, text, { effect, systemCode: String(code) });
}

/** Why a handshake has failed that the server answered with another status than 101. */
export function refusedWith(status: number, retryAfter: string | undefined): BindingError {
  const { reason } = failureOfStatus(status);
  const text = `the server refuses the WebSocket: ${status} ${STATUS_CODES[status] ?? ""}`.trim();
  return new BindingError(reason === "invalid_argument" ? "failed_precondition" : reason, text, {
    ...{ effect: "unsent", systemCode: String(status), retryAfter: retryAfterOf(retryAfter) },
  });
}

const tooLarge =
  "the server sent a larger message than maxMessageSize, or half of the memory budget (--memory-budget)";

const ofLibrary: Readonly<Record<string, string>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: tooLarge,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: tooLarge,
};

/** What a broken connection, or a server that does not keep to the protocol, is called. */
export function broken(error: Error, effect: Effect): BindingError {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const text = ofLibrary[code ?? ""] ?? connectionText(error);
  const reason = code?.startsWith("WS_ERR") === true ? "failed_precondition" : "unavailable";
  return new BindingError(reason, text, { effect, systemCode: code, cause: error });
}
