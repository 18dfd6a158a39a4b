import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";

/** What a broker or the connection to it said of a failure. */
export type Failure = {
  /** Kafka's name of the error, such as `NOT_LEADER_OR_FOLLOWER`; `undefined`: the connection failed. */
  readonly code: string | undefined;
  readonly message: string;
};

const reasons: Readonly<Record<string, Reason>> = {
  MESSAGE_TOO_LARGE: "resource_exhausted",
  RECORD_LIST_TOO_LARGE: "resource_exhausted",
  UNKNOWN_TOPIC_OR_PARTITION: "not_found",
  INVALID_TOPIC_EXCEPTION: "invalid_argument",
  INVALID_RECORD: "invalid_argument",
  TOPIC_AUTHORIZATION_FAILED: "permission_denied",
  GROUP_AUTHORIZATION_FAILED: "permission_denied",
  CLUSTER_AUTHORIZATION_FAILED: "permission_denied",
  SASL_AUTHENTICATION_FAILED: "unauthenticated",
  POLICY_VIOLATION: "failed_precondition",
};

// Said by brokers before they touched their log.
const beforeAppending = new Set([
  "NOT_LEADER_OR_FOLLOWER",
  "LEADER_NOT_AVAILABLE",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "NOT_ENOUGH_REPLICAS",
  "KAFKA_STORAGE_ERROR",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "THROTTLING_QUOTA_EXCEEDED",
]);

/** Whether the cluster's description that we have is out of date. */
export function isStale({ code }: Failure): boolean {
  return code !== undefined && beforeAppending.has(code) && code !== "THROTTLING_QUOTA_EXCEEDED";
}

/** Reads anything that the driver throws. The deepest cause tells most. */
export function failureOf(thrown: unknown): Failure {
  let message = messageOf(thrown);
  for (const one of chain(thrown)) {
    if (typeof one !== "object" || one === null) continue;
    if ("apiId" in one && typeof one.apiId === "string") {
      const said = "serverErrorMessage" in one && one.serverErrorMessage ? String(one.serverErrorMessage) : messageOf(one);
      return { code: one.apiId, message: `${one.apiId}: ${said}` };
    }
    message = messageOf(one);
  }
  return { code: undefined, message };
}

/** The failure as a `BindingError`. `atConnection` says what is known when the connection failed. */
export function errorOf(what: string, thrown: unknown, atConnection: Effect): BindingError {
  const known = [...chain(thrown)].find((one) => one instanceof BindingError);
  if (known !== undefined) return known;
  return errorOfFailure(what, failureOf(thrown), atConnection, thrown);
}

/** As {@link errorOf}, of a failure that was read already. */
export function errorOfFailure(what: string, failure: Failure, atConnection: Effect, cause?: unknown): BindingError {
  const { code, message } = failure;
  if (code === undefined) {
    return new BindingError(isAuthentication(cause) ? "unauthenticated" : "unavailable", `${what}: ${message}`, {
      effect: atConnection,
      cause,
    });
  }
  const effect: Effect = beforeAppending.has(code) ? "unsent" : ambiguous.has(code) ? "ambiguous" : "rejected";
  return new BindingError(reasons[code] ?? (effect === "rejected" ? "failed_precondition" : "unavailable"), `${what}: ${message}`, {
    effect,
    systemCode: code,
    cause,
  });
}

const ambiguous = new Set([
  "REQUEST_TIMED_OUT",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
  "NETWORK_EXCEPTION",
  "UNKNOWN_SERVER_ERROR",
]);

function isAuthentication(thrown: unknown): boolean {
  return [...chain(thrown)].some(
    (one) => typeof one === "object" && one !== null && "code" in one && one.code === "PLT_KFK_AUTHENTICATION",
  );
}

function* chain(thrown: unknown, depth = 0): Generator<unknown> {
  yield thrown;
  if (depth > 8 || typeof thrown !== "object" || thrown === null) return;
  if (thrown instanceof AggregateError) for (const one of thrown.errors) yield* chain(one, depth + 1);
  if ("cause" in thrown && thrown.cause !== undefined) yield* chain(thrown.cause, depth + 1);
}
