import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";
import type { Driver } from "./client.ts";

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
  INVALID_SESSION_TIMEOUT: "invalid_argument",
  INVALID_GROUP_ID: "invalid_argument",
};

/** What Dapr's users see in place of Kafka's own words, where a writer is told them. */
const serverWords: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: "Message was too large, server rejected it to avoid allocation error",
  INVALID_TOPIC_EXCEPTION: "The request attempted to perform an operation on an invalid topic",
};

/** What a broker's own words leave out: who is in the way, and what to do. */
const remedies: Readonly<Record<string, string>> = {
  INCONSISTENT_GROUP_PROTOCOL:
    "other members of the group share partitions by another strategy; set consumerGroupRebalanceStrategy to theirs, or use another consumerGroup",
  INVALID_SESSION_TIMEOUT:
    "set sessionTimeout between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms",
  GROUP_MAX_SIZE_REACHED: "the brokers' group.max.size allows no more members",
  TOPIC_AUTHORIZATION_FAILED:
    "reading needs the rights Describe and Read of the topic, writing Describe and Write",
  GROUP_AUTHORIZATION_FAILED: "reading needs the right Read of the consumer group",
  MESSAGE_TOO_LARGE: "raise the topic's max.message.bytes, or send less",
  INVALID_TOPIC_EXCEPTION: "a topic's name has at most 249 letters, digits, dots, hyphens and _",
};

// Said by brokers before they touched their log; some with acks of all also after.
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

const alsoAfterAppending = new Set([
  "NOT_LEADER_OR_FOLLOWER",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "KAFKA_STORAGE_ERROR",
]);

/**
 * Whether a leader may say it of a batch that is in its log: one that steps down, or shuts down, says so of all that
 * still waits for its replicas.
 */
export function isPossibleAfterAppend({ code }: Failure): boolean {
  return code !== undefined && alsoAfterAppending.has(code);
}

/** Whether the cluster's description that we have is out of date. */
export function isStale({ code }: Failure): boolean {
  return code !== undefined && beforeAppending.has(code) && code !== "THROTTLING_QUOTA_EXCEEDED";
}

/** Whether brokers are only busy with themselves: nothing was done, and soon it can be. */
export function isTransient(failure: Failure): boolean {
  const { code = "" } = failure;
  return (
    isStale(failure) ||
    code.startsWith("COORDINATOR_") ||
    code === "NOT_COORDINATOR" ||
    code === "CONCURRENT_TRANSACTIONS"
  );
}

/** Reads anything that the driver throws. The deepest cause tells most. */
export function failureOf(thrown: unknown): Failure {
  let message = messageOf(thrown);
  for (const one of chain(thrown)) {
    if (typeof one !== "object" || one === null) continue;
    if ("apiId" in one && typeof one.apiId === "string") {
      const said =
        "serverErrorMessage" in one && typeof one.serverErrorMessage === "string"
          ? one.serverErrorMessage
          : messageOf(one);
      return { code: one.apiId, message: `${one.apiId}: ${said}` };
    }
    message = messageOf(one);
  }
  return { code: undefined, message };
}

/** Reads the number that a broker gave as its error; `said`: its own words, where it has some. */
export function failureOfCode(driver: Driver, errorCode: number, said?: string): Failure {
  const code = driver.protocolErrorsCodesById[errorCode] ?? `ERROR_${errorCode}`;
  const explained = driver.protocolErrors[code]?.message ?? "the broker gave no reason";
  return { code, message: `${code}: ${said ?? explained}` };
}

/** The failure as a `BindingError`. `atConnection` says what is known when the connection failed. */
export function errorOf(what: string, thrown: unknown, atConnection: Effect): BindingError {
  const known = [...chain(thrown)].find((one) => one instanceof BindingError);
  if (known !== undefined) return known;
  return errorOfFailure(what, failureOf(thrown), atConnection, { cause: thrown });
}

/** As {@link errorOf}, of a failure that was read already. `inDoubt`: an earlier try may have had its effect. */
export function errorOfFailure(
  what: string,
  { code, message }: Failure,
  atConnection: Effect,
  { cause, inDoubt = false }: { cause?: unknown; inDoubt?: boolean } = {},
): BindingError {
  const text = textOf(what, code, message);
  if (code === undefined) {
    const reason = isAuthentication(cause) ? "unauthenticated" : "unavailable";
    return new BindingError(reason, text, { effect: inDoubt ? "ambiguous" : atConnection, cause });
  }
  const effect = inDoubt
    ? "ambiguous"
    : code === "SASL_AUTHENTICATION_FAILED"
      ? atConnection
      : effectOf(code);
  const reason = reasons[code] ?? (effect === "rejected" ? "failed_precondition" : "unavailable");
  return new BindingError(reason, text, { effect, systemCode: code, cause });
}

function textOf(what: string, code: string | undefined, message: string): string {
  const remedy = remedies[code ?? ""];
  const words = serverWords[code ?? ""];
  if (words === undefined)
    return remedy === undefined ? `${what}: ${message}` : `${what}: ${message} (${remedy})`;
  const about = [what.replace(/^kafka error(?:: )?/, ""), remedy].filter(Boolean).join(": ");
  return `kafka server: ${words}; ${about}`;
}

function effectOf(code: string): Effect {
  if (beforeAppending.has(code)) return "unsent";
  return ambiguous.has(code) ? "ambiguous" : "rejected";
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
    (one) =>
      typeof one === "object" &&
      one !== null &&
      "code" in one &&
      one.code === "PLT_KFK_AUTHENTICATION",
  );
}

function* chain(thrown: unknown, depth = 0): Generator {
  yield thrown;
  if (depth > 8 || typeof thrown !== "object" || thrown === null) return;
  if (thrown instanceof AggregateError)
    for (const one of thrown.errors) yield* chain(one, depth + 1);
  if ("cause" in thrown && thrown.cause !== undefined) yield* chain(thrown.cause, depth + 1);
}
