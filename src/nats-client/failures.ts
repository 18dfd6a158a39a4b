import { BindingError, messageOf } from "../errors.ts";
import type { Effect, Reason } from "../errors.ts";

/** Errors of the driver, by their names; what they are caused by says more than what they say. */
function named(error: unknown, name: string): Error | undefined {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (one.name === name) return one;
  return undefined;
}

export function isNoResponders(error: unknown): boolean {
  return named(error, "NoResponders") !== undefined;
}

/** Why a connection could not be made: nothing was sent on it. */
export function connectFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  const refusal =
    named(error, "AuthorizationError") ?? named(error, "UserAuthenticationExpiredError");
  if (refusal !== undefined) {
    const options = { effect: "unsent", systemCode: refusal.message } as const;
    return new BindingError("unauthenticated", `${what}: ${refusal.message}`, options);
  }
  const code = codeOf(error);
  return new BindingError("unavailable", `${what}: ${textOf(error)}`, {
    effect: "unsent",
    systemCode: code,
    cause: error,
  });
}

/** Why something that was sent failed. */
export function callFailure(error: unknown, what: string): BindingError {
  if (error instanceof BindingError) return error;
  const violation = named(error, "PermissionViolationError");
  if (violation !== undefined) {
    return new BindingError("permission_denied", `${what}: ${violation.message}`, {
      systemCode: "Permissions Violation",
    });
  }
  if (named(error, "TimeoutError") !== undefined)
    return new BindingError("deadline_exceeded", `${what}: no answer in time`, {
      effect: "ambiguous",
    });
  if (named(error, "InvalidArgumentError") || named(error, "InvalidSubjectError"))
    return new BindingError("invalid_argument", `${what}: ${messageOf(error)}`);
  if (isNoResponders(error)) {
    return new BindingError("unavailable", `${what}: nobody listens there`, {
      effect: "unsent",
      systemCode: "503",
    });
  }
  const effect: Effect =
    named(error, "ClosedConnectionError") || named(error, "DrainingConnectionError")
      ? "unsent"
      : "ambiguous";
  return new BindingError("unavailable", `${what}: ${textOf(error)}`, { effect, cause: error });
}

/** An error that JetStream answers with. */
export type ApiError = {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
};

const noStream = 10_059;

/** By JetStream's own code. What is not here: by its status. */
const reasons: Readonly<Record<number, Reason>> = {
  10_002: "resource_exhausted",
  10_014: "not_found",
  10_023: "resource_exhausted",
  10_026: "resource_exhausted",
  10_028: "resource_exhausted",
  10_037: "not_found",
  10_039: "failed_precondition",
  10_047: "resource_exhausted",
  10_054: "invalid_argument",
  10_059: "not_found",
  10_060: "failed_precondition",
  10_070: "failed_precondition",
  10_071: "failed_precondition",
  10_076: "failed_precondition",
  10_077: "resource_exhausted",
  10_113: "failed_precondition",
  10_122: "resource_exhausted",
};

const byStatus: Readonly<Record<number, Reason>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "deadline_exceeded",
};

export function apiFailure({ code, err_code, description }: ApiError, what: string): BindingError {
  const known = err_code === undefined ? undefined : reasons[err_code];
  const reason = known ?? byStatus[code] ?? "unavailable";
  // A server that says it cannot do it now may have begun.
  const effect: Effect = known !== undefined || code < 500 ? "rejected" : "ambiguous";
  const remedy = err_code === noStream ? "; create it, or correct the metadata stream" : "";
  return new BindingError(reason, `${what}: ${description ?? `error ${code}`}${remedy}`, {
    effect,
    systemCode: String(err_code ?? code),
  });
}

function textOf(error: unknown): string {
  const text = messageOf(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  return cause === undefined || text.includes(cause.message) ? text : `${text} (${cause.message})`;
}

function codeOf(error: unknown): string | undefined {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if ("code" in one && typeof one.code === "string") return one.code;
  return undefined;
}
