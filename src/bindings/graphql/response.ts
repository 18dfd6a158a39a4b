import { isUtf8 } from "node:buffer";
import { BindingError } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import type { SentSecrets } from "../../http-client/sent-secrets.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import { memberText } from "../../text/json-member.ts";

/** What every text of a failure begins with, as in Dapr. */
export const textPrefix = "GraphQL Error: ";

/** The most characters of a server's message that are told. */
const longestMessage = 4096;

/** The words that servers commonly say in `extensions.code`. */
const reasons: Readonly<Record<string, Reason>> = {
  UNAUTHENTICATED: "unauthenticated",
  FORBIDDEN: "permission_denied",
  BAD_USER_INPUT: "invalid_argument",
  GRAPHQL_PARSE_FAILED: "invalid_argument",
  GRAPHQL_VALIDATION_FAILED: "invalid_argument",
};

/** The JSON text of a response's `data`. Throws a `BindingError` for errors in it, and for what is no response. */
export function dataOf(answered: Answered, withoutSecrets: SentSecrets): Buffer {
  const { status, headers, body, cut } = answered;
  const retryAfter = retryAfterOf(headers["retry-after"]);
  const after = retryAfter === undefined ? {} : { retryAfter };
  if (cut) {
    const text = `${textPrefix}the answer is larger than maxResponseBodySize`;
    throw new BindingError("resource_exhausted", text, { effect: "ambiguous" });
  }
  const { response, problem } = parseResponse(body);
  const error = response === undefined ? undefined : firstError(response);
  if (error !== undefined) {
    const hasBegun = response !== undefined && "data" in response;
    const { reason, effect } = failureOf(status, error.code, hasBegun);
    const message = withoutSecrets(error.message).slice(0, longestMessage).toWellFormed();
    const systemCode = error.code === undefined ? String(status) : withoutSecrets(error.code);
    const text = `${textPrefix}graphql: ${message}`;
    throw new BindingError(reason, text, { effect, systemCode, ...after });
  }
  if (!isSuccess(status)) {
    const text = `${textPrefix}graphql: server returned a non-200 status code: ${status}`;
    const options = { ...failureOfStatus(status), systemCode: String(status), ...after };
    throw new BindingError(options.reason, text, options);
  }
  const data = response === undefined ? undefined : memberText(body, "data");
  if (data === undefined) {
    const why = problem ?? "it has neither data nor errors";
    const text = `${textPrefix}the answer is no GraphQL response: ${why}`;
    throw new BindingError("internal", text, { effect: "ambiguous", systemCode: String(status) });
  }
  return data;
}

/** Without `data` nothing was run; with it, even with null, a part may have been. */
function failureOf(
  status: number,
  code: string | undefined,
  hasBegun: boolean,
): { reason: Reason; effect: Effect } {
  const known = code === undefined ? undefined : reasons[code];
  if (!isSuccess(status)) {
    const { reason, effect } = failureOfStatus(status);
    return { reason: known ?? reason, effect };
  }
  if (hasBegun) return { reason: known ?? "internal", effect: "ambiguous" };
  return { reason: known ?? "invalid_argument", effect: "rejected" };
}

type GraphqlResponse = { readonly data?: unknown; readonly errors?: unknown };

function parseResponse(body: Buffer): { response?: GraphqlResponse; problem?: string } {
  if (!isUtf8(body)) return { problem: "it is no UTF-8" };
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    // The engine's message quotes the text, which may be anything.
    return { problem: "it is no JSON" };
  }
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? { response: value }
    : { problem: "it is no JSON object" };
}

/** The first of a response's errors, if there is one. */
function firstError({
  errors,
}: GraphqlResponse): { message: string; code: string | undefined } | undefined {
  if (!Array.isArray(errors) || errors.length === 0) return undefined;
  const [first] = errors as unknown[];
  if (typeof first !== "object" || first === null) return { message: "", code: undefined };
  const message = "message" in first && typeof first.message === "string" ? first.message : "";
  const extensions = "extensions" in first ? first.extensions : undefined;
  const code =
    typeof extensions === "object" && extensions !== null && "code" in extensions
      ? extensions.code
      : undefined;
  return { message, code: typeof code === "string" ? code : undefined };
}
