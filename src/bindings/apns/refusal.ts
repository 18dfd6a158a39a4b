import { BindingError } from "../../errors.ts";
import type { Reason } from "../../errors.ts";
import { jsonMembers } from "../../http-client/service-client.ts";
import { failureOfStatus, retryAfterOf } from "../../http-client/status.ts";
import type { Answer } from "./connection.ts";

type Meaning = { readonly reason: Reason; readonly effect?: "unsent" };

/** What Apple's own words mean beyond the status. */
const meanings: Readonly<Record<string, Meaning>> = {
  ExpiredProviderToken: { reason: "unauthenticated" },
  InvalidProviderToken: { reason: "unauthenticated" },
  MissingProviderToken: { reason: "unauthenticated" },
  TopicDisallowed: { reason: "permission_denied" },
  // The connection was idle; the request was not read.
  IdleTimeout: { reason: "unavailable", effect: "unsent" },
};

const longestReason = 1024;

/** What Apple answered in place of 200. Its text is the reason that Apple gives, as in Dapr. */
export function refusal({ status, headers, body }: Answer): BindingError {
  const { reason: said } = jsonMembers(body);
  const word = typeof said === "string" && said !== "" ? said.slice(0, longestReason) : undefined;
  const { reason, effect } = { ...failureOfStatus(status), ...meanings[word ?? ""] };
  const header = headers["retry-after"];
  const retryAfter = retryAfterOf(typeof header === "string" ? header : undefined);
  return new BindingError(reason, word?.toWellFormed() ?? `HTTP status ${status}`, {
    ...{ effect, systemCode: word ?? String(status) },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}
