import { BindingError, type Effect, type Reason } from "../../errors.ts";
import type { CallFailure } from "../../grpc/client.ts";
import { Code } from "../../grpc/status.ts";
import type { Status } from "./answers.ts";

type Meaning = { readonly name: string; readonly reason: Reason; readonly effect: Effect };

const rejected = (name: string, reason: Reason = "invalid_argument"): Meaning => ({
  ...{ name, reason },
  effect: "rejected",
});
const refused = (name: string, reason: Reason): Meaning => ({ name, reason, effect: "unsent" });
const ambiguous = (name: string, reason: Reason): Meaning => ({
  name,
  reason,
  effect: "ambiguous",
});

/** RocketMQ's own codes, as its published definition names them. */
const meanings = new Map<number, Meaning>([
  [40_000, rejected("BAD_REQUEST")],
  [40_001, rejected("ILLEGAL_ACCESS_POINT")],
  [40_002, rejected("ILLEGAL_TOPIC")],
  [40_003, rejected("ILLEGAL_CONSUMER_GROUP")],
  [40_004, rejected("ILLEGAL_MESSAGE_TAG")],
  [40_005, rejected("ILLEGAL_MESSAGE_KEY")],
  [40_006, rejected("ILLEGAL_MESSAGE_GROUP")],
  [40_007, rejected("ILLEGAL_MESSAGE_PROPERTY_KEY")],
  [40_008, rejected("INVALID_TRANSACTION_ID")],
  [40_009, rejected("ILLEGAL_MESSAGE_ID")],
  [40_010, rejected("ILLEGAL_FILTER_EXPRESSION")],
  [40_011, rejected("ILLEGAL_INVISIBLE_TIME")],
  [40_012, rejected("ILLEGAL_DELIVERY_TIME")],
  [40_013, rejected("INVALID_RECEIPT_HANDLE", "failed_precondition")],
  [40_014, rejected("MESSAGE_PROPERTY_CONFLICT_WITH_TYPE")],
  [40_015, rejected("UNRECOGNIZED_CLIENT_TYPE")],
  [40_016, rejected("MESSAGE_CORRUPTED", "data_loss")],
  [40_017, rejected("CLIENT_ID_REQUIRED")],
  [40_018, rejected("ILLEGAL_POLLING_TIME")],
  [40_021, rejected("INVALID_CLIENT_PROPERTIES")],
  [40_100, rejected("UNAUTHORIZED", "unauthenticated")],
  [40_200, rejected("PAYMENT_REQUIRED", "permission_denied")],
  [40_300, rejected("FORBIDDEN", "permission_denied")],
  [40_400, rejected("NOT_FOUND", "not_found")],
  [40_401, rejected("MESSAGE_NOT_FOUND", "not_found")],
  [40_402, rejected("TOPIC_NOT_FOUND", "not_found")],
  [40_403, rejected("CONSUMER_GROUP_NOT_FOUND", "not_found")],
  [40_800, ambiguous("REQUEST_TIMEOUT", "deadline_exceeded")],
  [41_300, rejected("PAYLOAD_TOO_LARGE")],
  [41_301, rejected("MESSAGE_BODY_TOO_LARGE")],
  [41_302, rejected("MESSAGE_BODY_EMPTY")],
  [42_800, rejected("PRECONDITION_FAILED", "failed_precondition")],
  [42_900, refused("TOO_MANY_REQUESTS", "resource_exhausted")],
  [43_100, rejected("REQUEST_HEADER_FIELDS_TOO_LARGE")],
  [43_101, rejected("MESSAGE_PROPERTIES_TOO_LARGE")],
  [50_000, ambiguous("INTERNAL_ERROR", "internal")],
  [50_001, ambiguous("INTERNAL_SERVER_ERROR", "internal")],
  [50_002, ambiguous("HA_NOT_AVAILABLE", "unavailable")],
  [50_100, rejected("NOT_IMPLEMENTED", "unimplemented")],
  [50_400, ambiguous("PROXY_TIMEOUT", "deadline_exceeded")],
  [50_401, ambiguous("MASTER_PERSISTENCE_TIMEOUT", "deadline_exceeded")],
  [50_402, ambiguous("SLAVE_PERSISTENCE_TIMEOUT", "deadline_exceeded")],
  [50_500, rejected("UNSUPPORTED", "unimplemented")],
  [50_501, rejected("VERSION_UNSUPPORTED", "unimplemented")],
]);

/** What a status of gRPC itself says, which a proxy answers before it looks at a request. */
const grpcMeanings = new Map<number, readonly [Reason, Effect]>([
  [Code.invalidArgument, ["invalid_argument", "rejected"]],
  [Code.deadlineExceeded, ["deadline_exceeded", "ambiguous"]],
  [Code.permissionDenied, ["permission_denied", "rejected"]],
  [Code.resourceExhausted, ["resource_exhausted", "ambiguous"]],
  [Code.unimplemented, ["unimplemented", "rejected"]],
  [Code.unavailable, ["unavailable", "ambiguous"]],
  [Code.unauthenticated, ["unauthenticated", "rejected"]],
  [Code.cancelled, ["cancelled", "ambiguous"]],
]);

const longestText = 2_000;

/** What a status of RocketMQ's own says of a call. */
export function statusFailure({ code, message }: Status, what: string): BindingError {
  const { name, reason, effect } = meanings.get(code) ?? ambiguous(String(code), "internal");
  const said = message.slice(0, longestText).toWellFormed() || "the proxy says no more";
  return new BindingError(reason, `${what}: ${name}: ${said}`, { effect, systemCode: name });
}

/** What a call failed of that has no answer, or gRPC's own. */
export function callFailure(failure: CallFailure, what: string): BindingError {
  const { kind, code, status, message } = failure;
  const [reason, effect] = grpcMeanings.get(code) ?? (["internal", "ambiguous"] as const);
  const said = message.slice(0, longestText).toWellFormed() || "the proxy says no more";
  return new BindingError(reason, `${what}: ${said}`, {
    effect: kind === "failed" ? effect : kind === "unsent" ? "unsent" : "ambiguous",
    systemCode: status,
    cause: failure,
  });
}
