import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";

/** What Redis's own error codes ask the caller to do. A code that is not here: the request is wrong. */
const refusals: Readonly<Record<string, { reason: Reason; effect: Effect }>> = {
  NOGROUP: { reason: "not_found", effect: "rejected" },
  BUSYGROUP: { reason: "already_exists", effect: "rejected" },
  WRONGTYPE: { reason: "failed_precondition", effect: "rejected" },
  NOAUTH: { reason: "unauthenticated", effect: "rejected" },
  WRONGPASS: { reason: "unauthenticated", effect: "rejected" },
  NOPERM: { reason: "permission_denied", effect: "rejected" },
  OOM: { reason: "resource_exhausted", effect: "rejected" },
  MISCONF: { reason: "failed_precondition", effect: "rejected" },
  NOREPLICAS: { reason: "unavailable", effect: "unsent" },
  LOADING: { reason: "unavailable", effect: "unsent" },
  BUSY: { reason: "unavailable", effect: "unsent" },
  MASTERDOWN: { reason: "unavailable", effect: "unsent" },
  CLUSTERDOWN: { reason: "unavailable", effect: "unsent" },
  TRYAGAIN: { reason: "unavailable", effect: "unsent" },
  READONLY: { reason: "unavailable", effect: "unsent" },
};

/**
 * Turns what the driver threw into an error for people. The driver's own error is not kept as the
 * cause, since it carries the command with its arguments: values and passwords.
 */
export function failure(thrown: unknown, lastError: unknown): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const text = messageOf(thrown);
  if (thrown instanceof Error && thrown.name === "ReplyError") {
    const code = /^[A-Z]+(?=\s|$)/.exec(text)?.[0];
    const { reason, effect } = refusals[code ?? ""] ?? {
      reason: "invalid_argument",
      effect: "rejected",
    };
    return new BindingError(reason, text, { effect, systemCode: code });
  }
  const because = lastError === undefined ? "" : `: ${messageOf(lastError)}`;
  return new BindingError("unavailable", `redis binding: ${text}${because}`, {
    effect: "ambiguous",
  });
}

/** Nothing was sent, since there is no connection. */
export function notConnected(lastError: unknown): BindingError {
  const because = lastError === undefined ? "" : `: ${messageOf(lastError)}`;
  return new BindingError("unavailable", `redis binding: not connected to redis${because}`, {
    effect: "unsent",
  });
}

/** The server is a replica now: its primary must be looked for anew. */
export function isDemoted(error: BindingError): boolean {
  return error.systemCode === "READONLY";
}
