import { BindingError } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { failureOfStatus, retryAfterOf } from "../../http-client/status.ts";
import { parseXml, textAt } from "../../text/xml.ts";

/** The most characters of a server's message that are told. */
const longestMessage = 1024;

/** What the codes of Azure Storage say beyond their status. */
type Meaning = { readonly reason: Reason; readonly effect?: Effect };
const known = new Map<string, Meaning>(
  Object.entries({
    // Said before anything is done: too many requests for the account, the queue or the blob.
    ServerBusy: { reason: "resource_exhausted", effect: "unsent" },
    InternalError: { reason: "internal", effect: "ambiguous" },
    OperationTimedOut: { reason: "deadline_exceeded", effect: "ambiguous" },
    AuthenticationFailed: { reason: "unauthenticated" },
    InvalidAuthenticationInfo: { reason: "unauthenticated" },
    NoAuthenticationInformation: { reason: "unauthenticated" },
    AccountIsDisabled: { reason: "permission_denied" },
    ContainerAlreadyExists: { reason: "already_exists" },
    QueueAlreadyExists: { reason: "already_exists" },
    BlobAlreadyExists: { reason: "already_exists" },
    // A name is free again some 30 s after its queue or container was deleted.
    ContainerBeingDeleted: { reason: "unavailable", effect: "unsent" },
    QueueBeingDeleted: { reason: "unavailable", effect: "unsent" },
    SnapshotsPresent: { reason: "failed_precondition" },
    Md5Mismatch: { reason: "invalid_argument" },
  } satisfies Record<string, Meaning>),
);

/** A refusal by Azure Storage, with its own code. `what`: what could not be done, as `error uploading az blob`; `next`: what to do, if a permission is missing. */
export function storageFailure(
  what: string,
  { status, headers, body }: Pick<Answered, "status" | "headers" | "body">,
  next?: string,
): BindingError {
  const { code, message } = saidBy(headers, body);
  const words = [code ?? `HTTP ${status}`, message].filter(Boolean).join(": ");
  const { reason, effect } = failureOfStatus(status);
  const more = code === undefined ? undefined : known.get(code);
  const retryAfter = retryAfterOf(headers["retry-after"]);
  const why = more?.reason ?? reason;
  const isDeniedHere = why === "permission_denied" && more === undefined;
  const hint = isDeniedHere && next ? `; ${next}` : "";
  return new BindingError(why, `${what}: ${words}${hint}`, {
    effect: more?.effect ?? effect,
    systemCode: code ?? String(status),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** The service's code, which an answer without a body has in a header, and its first sentence. */
function saidBy(
  headers: Answered["headers"],
  body: Buffer,
): { code: string | undefined; message: string | undefined } {
  const named = headers["x-ms-error-code"];
  const code = typeof named === "string" && named !== "" ? named : undefined;
  const error = parseXml(body.toString("utf8"));
  // Then come the ids of the request, each on a line of its own.
  const message = textAt(error, "Message")?.split("\n", 1)[0]?.slice(0, longestMessage);
  return { code: code ?? textAt(error, "Code"), message: message?.toWellFormed() };
}

/** Whether a request was refused for want of a permission, or of a valid login. */
export function isDenied(error: unknown): error is BindingError {
  return error instanceof BindingError && error.reason === "permission_denied";
}
