import { BindingError } from "../errors.ts";
import type { Effect, Reason } from "../errors.ts";
import type { Condition } from "./driver.ts";

/** What AMQP's error conditions ask the caller to do. */
const reasons: Readonly<Record<string, Reason>> = {
  "amqp:unauthorized-access": "permission_denied",
  "amqp:not-allowed": "permission_denied",
  "amqp:not-found": "not_found",
  "amqp:resource-deleted": "not_found",
  "amqp:not-implemented": "unimplemented",
  "amqp:resource-limit-exceeded": "resource_exhausted",
  "amqp:resource-locked": "failed_precondition",
  "amqp:precondition-failed": "failed_precondition",
  "amqp:illegal-state": "failed_precondition",
  "amqp:link:stolen": "failed_precondition",
  "amqp:link:redirect": "failed_precondition",
  "amqp:connection:redirect": "failed_precondition",
  "amqp:decode-error": "invalid_argument",
  "amqp:invalid-field": "invalid_argument",
  "amqp:frame-size-too-small": "invalid_argument",
  "amqp:link:message-size-exceeded": "invalid_argument",
  "amqp:internal-error": "internal",
  "com.microsoft:auth-failed": "unauthenticated",
  "com.microsoft:server-busy": "resource_exhausted",
  "com.microsoft:argument-error": "invalid_argument",
  "com.microsoft:argument-out-of-range": "invalid_argument",
  "com.microsoft:entity-disabled": "failed_precondition",
  "com.microsoft:message-lock-lost": "failed_precondition",
  "com.microsoft:session-lock-lost": "failed_precondition",
  "com.microsoft:session-cannot-be-locked": "failed_precondition",
  "com.microsoft:message-not-found": "not_found",
  "com.microsoft:partition-not-owned": "failed_precondition",
  "com.microsoft:publisher-revoked": "permission_denied",
};

export function reasonOf(condition: string | undefined): Reason {
  return reasons[condition ?? ""] ?? "unavailable";
}

/** What the peer said: its condition, its text and, of a redirect, where to. */
export function conditionText({ condition, description, info }: Condition): string {
  const said = description ? `${description} (${condition})` : (condition ?? "no reason was given");
  if (condition?.endsWith(":redirect") !== true) return said;
  const told = (name: string): string => {
    const value = info?.[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  const place = [told("network-host"), told("port")].filter(Boolean).join(":");
  const address = told("address") === "" ? "" : `, address ${told("address")}`;
  return `${said}; it names another server, ${place || told("hostname") || "without saying which"}${address}: put that one into the metadata`;
}

/** Azure names the right that a token lacks, which a shared access policy gives, or a role of its name: Sender, Receiver, Owner. */
const azureRights: Readonly<Record<string, string>> = {
  Send: "Data Sender",
  Listen: "Data Receiver",
  Manage: "Data Owner",
};

function grantOf({ condition, description }: Condition): string {
  if (condition !== "amqp:unauthorized-access") return "";
  const right = /'(Send|Listen|Manage)' claim\(s\) are required/.exec(description ?? "")?.[1] ?? "";
  const role = azureRights[right];
  if (role === undefined) return "";
  return `; give the shared access policy the right ${right}, or the component's identity the service's role ${role}`;
}

/** Artemis tells a user without the right to make a queue or address of an internal error, with these codes. */
const denied = /\bAMQ229(031|032|213)\b/;

/** An error of the peer, for people. */
export function refusal(what: string, error: Condition, effect: Effect = "unsent"): BindingError {
  const reason = denied.test(error.description ?? "")
    ? "permission_denied"
    : reasonOf(error.condition);
  return new BindingError(reason, `${what}: ${conditionText(error)}${grantOf(error)}`, {
    effect,
    systemCode: error.condition,
  });
}
