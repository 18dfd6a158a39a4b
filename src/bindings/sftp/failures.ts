import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";

/** What the protocol's status codes are called, what they mean to a caller, and Dapr's words where it has some. */
const statuses: Readonly<Record<number, readonly [name: string, Reason, words?: string]>> = {
  2: ["SSH_FX_NO_SUCH_FILE", "not_found", "file does not exist"],
  3: ["SSH_FX_PERMISSION_DENIED", "permission_denied", "permission denied"],
  4: ["SSH_FX_FAILURE", "failed_precondition"],
  5: ["SSH_FX_BAD_MESSAGE", "internal"],
  6: ["SSH_FX_NO_CONNECTION", "unavailable"],
  7: ["SSH_FX_CONNECTION_LOST", "unavailable"],
  8: ["SSH_FX_OP_UNSUPPORTED", "unimplemented"],
  10: ["SSH_FX_NO_SUCH_PATH", "not_found"],
  11: ["SSH_FX_FILE_ALREADY_EXISTS", "already_exists"],
  12: ["SSH_FX_WRITE_PROTECT", "permission_denied"],
  14: ["SSH_FX_NO_SPACE_ON_FILESYSTEM", "resource_exhausted"],
  15: ["SSH_FX_QUOTA_EXCEEDED", "resource_exhausted"],
};

/** Of the server's words, in characters. */
const longestWords = 200;

/** What a request failed with: the server's status, or that there is no connection any more. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  /** The protocol's status; `undefined`: the server did not answer. */
  readonly status: number | undefined;
  readonly effect: Effect;

  constructor(message: string, status: number | undefined, effect: Effect, cause?: unknown) {
    super(message, { cause });
    this.status = status;
    this.effect = effect;
  }
}

/** The server's answer to a request. */
export function statusFailure(status: number, words: string): RequestFailure {
  const [name = `status ${status}`, , known] = statuses[status] ?? [];
  const line = words.replaceAll(/\s+/g, " ").trim();
  const cut = line.length > longestWords ? `${line.slice(0, longestWords)}…` : line;
  const isOver = status === 6 || status === 7;
  const text = known ?? `sftp: ${JSON.stringify(cut)} (${name})`;
  return new RequestFailure(text, status, isOver ? "ambiguous" : "rejected");
}

/** The same of a call that has done something before: that a request was not sent says nothing of the call. */
export function asBegun(error: unknown): unknown {
  if (!(error instanceof RequestFailure) || error.effect !== "unsent") return error;
  return new RequestFailure(error.message, error.status, "ambiguous", error.cause);
}

export function hasStatus(error: unknown, ...wanted: readonly number[]): boolean {
  return error instanceof RequestFailure && wanted.includes(error.status ?? -1);
}

/** The server has said no. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof RequestFailure && error.effect === "rejected";

/** There is no such file, or no such folder above it. */
export const isMissing = (error: unknown): boolean => hasStatus(error, 2, 10);

/** The server does not let this user do it, or does not know how. */
export const isDenied = (error: unknown): boolean => hasStatus(error, 3, 8, 12);

/** The server's general "no", for which there is no code. */
export const isFailure = (error: unknown): boolean => hasStatus(error, 4, 11);

/** The same as a binding's error. `what` could not be done. */
export function failureOf(what: string, thrown: unknown): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const text = `sftp binding error: ${what}: ${messageOf(thrown)}`;
  if (!(thrown instanceof RequestFailure)) {
    return new BindingError("internal", text, { effect: "ambiguous", cause: thrown });
  }
  const { status, effect } = thrown;
  const [name, reason] = (status === undefined ? undefined : statuses[status]) ?? [];
  return new BindingError(
    status === undefined ? reasonOf(thrown.cause) : (reason ?? "failed_precondition"),
    text,
    { effect, systemCode: status === undefined ? undefined : (name ?? String(status)) },
  );
}

/** The caller went, or the connection did. */
function reasonOf(cause: unknown): Reason {
  if (cause instanceof BindingError) return cause.reason;
  if (!(cause instanceof Error)) return "unavailable";
  if (cause.name === "TimeoutError") return "deadline_exceeded";
  return cause.name === "AbortError" ? "cancelled" : "unavailable";
}
