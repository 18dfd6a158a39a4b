import type { Effect, Reason } from "../../errors.ts";
import { BindingError, messageOf } from "../../errors.ts";

/** What AMQP's reply codes ask the caller to do. */
const reasonOfCode: Readonly<Record<number, Reason>> = {
  311: "invalid_argument",
  320: "unavailable",
  402: "invalid_argument",
  403: "permission_denied",
  404: "not_found",
  405: "failed_precondition",
  406: "failed_precondition",
  504: "unavailable",
  506: "resource_exhausted",
  530: "permission_denied",
  540: "unimplemented",
};

/** Turns what the driver threw or said into an error for people, with the server's own code. */
export function failure(what: string, thrown: unknown, effect: Effect = "unsent"): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const text = messageOf(thrown);
  const code = replyCode(thrown, text);
  const atLogin = text.startsWith("Handshake terminated by server");
  const reason = code === undefined ? "unavailable" : (reasonOfCode[code] ?? "unavailable");
  return new BindingError(
    atLogin && code === 403 ? "unauthenticated" : reason,
    `${what}: ${text}`,
    {
      effect,
      cause: thrown,
      systemCode: code === undefined ? socketCode(thrown) : String(code),
    },
  );
}

function replyCode(thrown: unknown, text: string): number | undefined {
  if (thrown instanceof Error && "code" in thrown && typeof thrown.code === "number")
    return thrown.code;
  const match = /\b([345]\d\d) \([A-Z-]+\)/.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function socketCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined;
}
