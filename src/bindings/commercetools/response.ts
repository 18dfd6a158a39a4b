import { isUtf8 } from "node:buffer";
import type { BindingError, Reason } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { isObject, jsonMembers, serviceFailure } from "../../http-client/service-client.ts";
import { isSuccess } from "../../http-client/status.ts";
import { memberText } from "../../text/json-member.ts";

/** What the text of a failed request begins with, as in Dapr, which says no more. */
export const textPrefix = "commercetools error: Error executing the provided GraphQL query";

/** What codes of commercetools say of the call that has them: it was refused. */
const refusals: Readonly<Record<string, Reason>> = {
  invalid_token: "unauthenticated",
  insufficient_scope: "permission_denied",
  access_denied: "permission_denied",
  InvalidInput: "invalid_argument",
  InvalidField: "invalid_argument",
  InvalidJsonInput: "invalid_argument",
  InvalidOperation: "invalid_argument",
  InvalidSubject: "invalid_argument",
  RequiredField: "invalid_argument",
  SyntaxError: "invalid_argument",
  SemanticError: "invalid_argument",
  DuplicateField: "already_exists",
  ConcurrentModification: "aborted",
  ResourceNotFound: "not_found",
  ReferenceExists: "failed_precondition",
  MaxResourceLimitExceeded: "resource_exhausted",
};

/** The JSON text of the answer's `data`. Throws a `BindingError` for errors in it, and for what is no answer. */
export function dataOf(answered: Answered): Buffer {
  const { status, body } = answered;
  const members = jsonMembers(body);
  const { errors, data: value } = members;
  const [first] = Array.isArray(errors) ? (errors as readonly unknown[]) : [];
  if (first !== undefined || !isSuccess(status)) throw failure(answered, first, members);
  const data = isUtf8(body) && value !== undefined ? memberText(body, "data") : undefined;
  if (data !== undefined) return data;
  throw serviceFailure(`${textPrefix}: the answer has neither data nor errors`, answered, {
    ...{ reason: "internal", effect: "ambiguous" },
  });
}

/** `error`: the first of a list, in GraphQL's words or in those of the HTTP API. */
function failure(
  answered: Answered,
  error: unknown,
  { data, message: whole }: Readonly<Record<string, unknown>>,
): BindingError {
  const { code: bare, message = whole, extensions } = isObject(error) ? error : {};
  const { code = bare } = isObject(extensions) ? extensions : {};
  const name = typeof code === "string" && code !== "" ? code : undefined;
  const words = typeof message === "string" && message !== name ? message : "";
  const told = [name ?? (words === "" ? `HTTP status ${answered.status}` : ""), words];
  const text = [textPrefix, ...told.filter(Boolean)].join(": ");
  const reason = name === undefined ? undefined : refusals[name];
  const meaning = { reason, systemCode: name };
  if (!isSuccess(answered.status)) return serviceFailure(text, answered, meaning);
  // Mutations are run one after another: one that gave something was done, whatever became of the others.
  const isDone = isObject(data) && Object.values(data).some((one) => one !== null);
  const isRefused = data === undefined || (reason !== undefined && !isDone);
  return serviceFailure(text, answered, {
    ...{ ...meaning, reason: reason ?? (data === undefined ? "invalid_argument" : "internal") },
    effect: isRefused ? "rejected" : "ambiguous",
  });
}
