import { BindingError } from "../../../errors.ts";
import type { Effect, Reason } from "../../../errors.ts";
import type { Properties } from "./packets.ts";

/** MQTT 5's reason codes, each with its name and what it asks the caller to do. */
const codes: Readonly<Record<number, readonly [name: string, reason: Reason]>> = {
  0x00: ["Success", "internal"],
  0x04: ["Disconnect with Will Message", "unavailable"],
  0x10: ["No matching subscribers", "internal"],
  0x11: ["No subscription existed", "internal"],
  0x80: ["Unspecified error", "internal"],
  0x81: ["Malformed Packet", "internal"],
  0x82: ["Protocol Error", "internal"],
  0x83: ["Implementation specific error", "internal"],
  0x84: ["Unsupported Protocol Version", "unimplemented"],
  0x85: ["Client Identifier not valid", "invalid_argument"],
  0x86: ["Bad User Name or Password", "unauthenticated"],
  0x87: ["Not authorized", "permission_denied"],
  0x88: ["Server unavailable", "unavailable"],
  0x89: ["Server busy", "unavailable"],
  0x8a: ["Banned", "permission_denied"],
  0x8b: ["Server shutting down", "unavailable"],
  0x8c: ["Bad authentication method", "unauthenticated"],
  0x8d: ["Keep Alive timeout", "unavailable"],
  0x8e: ["Session taken over", "aborted"],
  0x8f: ["Topic Filter invalid", "invalid_argument"],
  0x90: ["Topic Name invalid", "invalid_argument"],
  0x91: ["Packet Identifier in use", "aborted"],
  0x92: ["Packet Identifier not found", "aborted"],
  0x93: ["Receive Maximum exceeded", "resource_exhausted"],
  0x94: ["Topic Alias invalid", "internal"],
  0x95: ["Packet too large", "invalid_argument"],
  0x96: ["Message rate too high", "resource_exhausted"],
  0x97: ["Quota exceeded", "resource_exhausted"],
  0x98: ["Administrative action", "unavailable"],
  0x99: ["Payload format invalid", "invalid_argument"],
  0x9a: ["Retain not supported", "invalid_argument"],
  0x9b: ["QoS not supported", "invalid_argument"],
  0x9c: ["Use another server", "unavailable"],
  0x9d: ["Server moved", "unavailable"],
  0x9e: ["Shared Subscriptions not supported", "invalid_argument"],
  0x9f: ["Connection rate exceeded", "resource_exhausted"],
  0xa0: ["Maximum connect time", "unavailable"],
  0xa1: ["Subscription Identifiers not supported", "invalid_argument"],
  0xa2: ["Wildcard Subscriptions not supported", "invalid_argument"],
};

/** What a packet says beside its code. */
type Answered = { readonly reasonCode: number; readonly properties: Properties };

/** From here on a code says that it failed. */
export const firstFailure = 0x80;

/** The code as the errors spell it: `0x87`. */
export function hexCode(code: number): string {
  return `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The code's name alone. */
export function reasonCodeName(code: number): string {
  return codes[code]?.[0] ?? "a reason without a name";
}

/** The code's name, with the server's own words and another server, if it names one. */
export function describeReason({ reasonCode, properties }: Answered): string {
  const { reasonString, serverReference } = properties;
  const words = reasonString === undefined ? "" : `: ${reasonString}`;
  const other = serverReference === undefined ? "" : `; the server refers to ${serverReference}`;
  return `${reasonCodeName(reasonCode)} (${hexCode(reasonCode)})${words}${other}`;
}

/** The error of a packet whose code says that it failed. */
export function refusal(what: string, answered: Answered, effect: Effect): BindingError {
  const { reasonCode } = answered;
  return new BindingError(
    codes[reasonCode]?.[1] ?? "internal",
    `${what}: ${describeReason(answered)}`,
    { effect, systemCode: hexCode(reasonCode) },
  );
}

/** 0x96 and 0x97 are said before anything is done: sending it again later is no repetition. */
export function effectOfRefusal(code: number): Effect {
  return code === 0x96 || code === 0x97 ? "unsent" : "rejected";
}
