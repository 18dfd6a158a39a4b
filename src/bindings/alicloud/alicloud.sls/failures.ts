import type { BindingError } from "../../../errors.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { jsonMembers, serviceFailure, type Meaning } from "../../../http-client/service-client.ts";

/** Said before anything is done, with status 403 or 429. */
const exceeded: Meaning = { reason: "resource_exhausted", effect: "unsent" };

const meanings: Readonly<Record<string, Meaning>> = {
  ReadQuotaExceed: exceeded,
  ShardReadQuotaExceed: exceeded,
  ShardWriteQuotaExceed: exceeded,
  WriteQuotaExceed: exceeded,
  RequestTimeExpired: { reason: "unauthenticated" },
  RequestTimeTooSkewed: { reason: "unauthenticated" },
  PostBodyTooLarge: { reason: "resource_exhausted" },
};

/** A refusal by Log Service, with its own code and text. */
export function failureOf(answered: Answered): BindingError {
  const { errorCode, errorMessage } = jsonMembers(answered.body);
  const code = typeof errorCode === "string" ? errorCode : "";
  const said = typeof errorMessage === "string" ? errorMessage : "";
  const text = `SLS binding error: ${answered.status} ${code}: ${said}`;
  return serviceFailure(text, answered, { systemCode: code || undefined, ...meanings[code] });
}
