import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";

/** What the server said, as the driver has it. */
export type ServerError = Error & { readonly code: string; readonly severity?: string };

/** The server answered with an error; anything else that is thrown is about the connection. */
export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    "severity" in error &&
    "code" in error &&
    typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code)
  );
}

/** By SQLSTATE, or its class. What is not here: the request is wrong. */
const reasons: Readonly<Record<string, Reason>> = {
  "08": "unavailable",
  "22003": "out_of_range",
  "23": "failed_precondition",
  "23505": "already_exists",
  "25": "failed_precondition",
  "28": "unauthenticated",
  "40": "aborted",
  "42501": "permission_denied",
  "42P07": "already_exists",
  "53": "resource_exhausted",
  "55": "failed_precondition",
  "55P03": "unavailable",
  "57": "unavailable",
  "57014": "cancelled",
  "58": "internal",
  P0: "failed_precondition",
  XX: "internal",
};

/** The server ends the connection with these; whether the statement was committed before is not known. */
const endsConnection = /^(08|57P0)/;

/** What a statement failed with. A refusal has undone it; whoever lost the connection knows nothing of it. */
export function statementFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  if (!isServerError(error)) {
    return new BindingError("unavailable", `${what}: ${messageOf(error)}`, { effect: "ambiguous" });
  }
  const wrongCount = /supplies (\d+) parameters, but .* requires (\d+)$/.exec(error.message);
  if (wrongCount !== null) {
    // As Dapr's driver words it, which counts them itself.
    const [, given, wanted] = wrongCount;
    return new BindingError(
      "invalid_argument",
      `${what}: expected ${wanted} arguments, got ${given}`,
      { systemCode: error.code },
    );
  }
  const effect: Effect = endsConnection.test(error.code) ? "ambiguous" : "rejected";
  return new BindingError(reasonOf(error.code), `${what}: ${textOf(error)}`, {
    effect,
    systemCode: error.code,
  });
}

/** What a connection could not be made for: nothing was sent. */
export function connectFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  if (!isServerError(error)) {
    return new BindingError("unavailable", `${what}: ${messageOf(error)}`, { effect: "unsent" });
  }
  // A database that is not there may be made; too many connections go away.
  const reason = /^(28|42501)/.test(error.code) ? reasonOf(error.code) : "unavailable";
  return new BindingError(reason, `${what}: ${textOf(error)}`, {
    effect: "unsent",
    systemCode: error.code,
  });
}

function reasonOf(code: string): Reason {
  return reasons[code] ?? reasons[code.slice(0, 2)] ?? "invalid_argument";
}

/** As Dapr's driver words it. */
function textOf({ severity = "ERROR", message, code }: ServerError): string {
  return `${severity}: ${message} (SQLSTATE ${code})`;
}

/** A server, or one that stands in for it, may echo what it was told. */
export function hidden(error: BindingError, secrets: readonly string[]): BindingError {
  const { reason, effect, systemCode } = error;
  const message = secrets.reduce((text, secret) => text.replaceAll(secret, "***"), error.message);
  return message === error.message
    ? error
    : new BindingError(reason, message, { effect, systemCode });
}
