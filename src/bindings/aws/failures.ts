import { BindingError } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import { failureOfStatus, retryAfterOf } from "../../http-client/status.ts";

/** What a service says of a request that it did not carry out. */
export type AwsRefusal = {
  readonly status: number;
  /** Its own code, without namespace: `ThrottlingException`. Empty: it says none. */
  readonly code: string;
  readonly message: string;
  readonly requestId?: string | undefined;
  readonly retryAfter?: string | string[] | undefined;
};

type Meaning = { readonly reason: Reason; readonly effect: Effect };

const denied: Meaning = { reason: "permission_denied", effect: "rejected" };
const unknown: Meaning = { reason: "unauthenticated", effect: "rejected" };
const absent: Meaning = { reason: "not_found", effect: "rejected" };
const invalid: Meaning = { reason: "invalid_argument", effect: "rejected" };
const throttled: Meaning = { reason: "resource_exhausted", effect: "unsent" };
const full: Meaning = { reason: "resource_exhausted", effect: "rejected" };
const busy: Meaning = { reason: "unavailable", effect: "unsent" };
const broken: Meaning = { reason: "unavailable", effect: "ambiguous" };
const conflict: Meaning = { reason: "failed_precondition", effect: "rejected" };

/** The one table of what the codes of the services mean; a code that is not here means what the status does. */
const meanings: Readonly<Record<string, Meaning>> = {
  ...all(denied, "AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden"),
  ...all(denied, "AuthorizationErrorException", "KMSAccessDeniedException", "KmsAccessDenied"),
  ...all(denied, "AllAccessDisabled", "AccountProblem", "OptInRequired", "NotAuthorized"),
  ...all(unknown, "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
  ...all(unknown, "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"),
  ...all(unknown, "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"),
  ...all(unknown, "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
  ...all(unknown, "InvalidToken", "RequestExpired", "RequestTimeTooSkewed", "AuthFailure"),
  ...all(unknown, "IncompleteSignatureException", "InvalidSecurity", "NotSignedUp"),
  ...all(absent, "QueueDoesNotExist", "NonExistentQueue", "NotFound", "NotFoundException"),
  ...all(absent, "ResourceNotFoundException", "NoSuchBucket", "NoSuchKey", "NoSuchVersion"),
  ...all(absent, "NoSuchUpload", "ParameterNotFound", "TopicNotFound", "ParameterVersionNotFound"),
  ...all(throttled, "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
  ...all(throttled, "RequestThrottledException", "TooManyRequestsException", "SlowDown"),
  ...all(throttled, "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
  ...all(throttled, "BandwidthLimitExceeded", "KmsThrottled", "KMSThrottlingException"),
  ...all(throttled, "KMSThrottling", "PriorRequestNotComplete", "TransactionInProgressException"),
  ...all(full, "OverLimit", "LimitExceededException", "LimitExceeded"),
  ...all(full, "ItemCollectionSizeLimitExceededException", "RequestEntityTooLarge"),
  ...all(full, "EntityTooLarge", "BatchRequestTooLong"),
  ...all(busy, "ServiceUnavailable", "ServiceUnavailableException", "Busy"),
  ...all(
    broken,
    "InternalFailure",
    "InternalError",
    "InternalServerError",
    "InternalErrorException",
  ),
  ...all(broken, "RequestTimeout", "RequestTimeoutException"),
  ...all(conflict, "ConditionalCheckFailedException", "PreconditionFailed", "InvalidObjectState"),
  ...all(conflict, "ResourceInUseException", "BucketNotEmpty", "KMSDisabled", "KmsDisabled"),
  ...all(invalid, "ReceiptHandleIsInvalid", "InvalidParameterValue", "ValidationException"),
};

/** That the credentials have ended: others may do. */
export function isExpired({ code }: AwsRefusal): boolean {
  return code === "ExpiredToken" || code === "ExpiredTokenException" || code === "RequestExpired";
}

/** A refusal as an error, in the words of AWS's Go library, which Dapr's users see. */
export function awsFailure(service: string, operation: string, refusal: AwsRefusal): BindingError {
  const { status, code, message, requestId = "", retryAfter } = refusal;
  const { reason, effect } = meanings[code] ?? failureOfStatus(status);
  const said =
    code === ""
      ? message || "no further word"
      : `api error ${code}: ${message || "no further word"}`;
  const text = `operation error ${service}: ${operation}, https response error StatusCode: ${status}, RequestID: ${requestId}, ${said}`;
  const after = retryAfterOf(retryAfter);
  return new BindingError(reason, text, {
    effect,
    systemCode: code || String(status),
    ...(after === undefined ? {} : { retryAfter: after }),
  });
}

/** What the code of one entry of a batch means. `isSender`: the service blames the request. */
export function meaningOf(code: string, isSender: boolean): Meaning {
  return meanings[code] ?? (isSender ? invalid : broken);
}

function all(meaning: Meaning, ...codes: string[]): Record<string, Meaning> {
  return Object.fromEntries(codes.map((code) => [code, meaning]));
}
