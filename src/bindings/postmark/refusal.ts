import type { BindingError } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { jsonMembers, serviceFailure } from "../../http-client/service-client.ts";
import type { Meaning } from "../../http-client/service-client.ts";
import { isSuccess } from "../../http-client/status.ts";

/** What every text of a failure begins with, as in Dapr. */
export const textPrefix = "error from Postmark, sending email failed: ";

/** What Postmark's own codes mean beyond the status; the others are mistakes in the mail. */
const meanings: Readonly<Record<number, Meaning>> = {
  10: { reason: "unauthenticated" },
  // Maintenance: nothing is taken.
  100: { reason: "unavailable", effect: "unsent" },
  // The sender's signature is unknown, or not confirmed.
  400: { reason: "permission_denied" },
  401: { reason: "permission_denied" },
  // The account has no credits left.
  405: { reason: "resource_exhausted" },
  // No recipient is active.
  406: { reason: "failed_precondition" },
  // The account is not approved yet, or may not send.
  412: { reason: "permission_denied" },
  413: { reason: "permission_denied" },
  429: { reason: "resource_exhausted", effect: "unsent" },
};

/** What Postmark answered in place of an acceptance; `undefined`: it has accepted the mail. */
export function refusalIn(
  answered: Answered,
  prefix: string = textPrefix,
): BindingError | undefined {
  const { status, body } = answered;
  const { ErrorCode, Message } = jsonMembers(body);
  const code = typeof ErrorCode === "number" ? ErrorCode : 0;
  const accepted = isSuccess(status);
  if (accepted && code === 0) return undefined;
  const words = typeof Message === "string" ? Message : `HTTP status ${status}`;
  // Dapr tells the code only where the status does not show the failure.
  const text = `${prefix}${accepted ? `${code} ` : ""}${words}`;
  if (code === 0) return serviceFailure(text, answered);
  const refused: Meaning = accepted ? { reason: "invalid_argument", effect: "rejected" } : {};
  const meaning = { ...refused, ...meanings[code], systemCode: String(code) };
  return serviceFailure(text, answered, meaning);
}
