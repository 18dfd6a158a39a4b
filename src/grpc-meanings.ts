import type { Effect, Reason } from "./errors.ts";
import { Code } from "./grpc/status.ts";

/** What a status says of a call that a server has answered with it. */
export type Meaning = { readonly reason: Reason; readonly effect: Effect };

const meanings = new Map<number, Meaning>([
  [Code.cancelled, { reason: "cancelled", effect: "ambiguous" }],
  [Code.unknown, { reason: "internal", effect: "ambiguous" }],
  [Code.invalidArgument, { reason: "invalid_argument", effect: "rejected" }],
  [Code.deadlineExceeded, { reason: "deadline_exceeded", effect: "ambiguous" }],
  [Code.notFound, { reason: "not_found", effect: "rejected" }],
  [Code.alreadyExists, { reason: "already_exists", effect: "rejected" }],
  [Code.permissionDenied, { reason: "permission_denied", effect: "rejected" }],
  [Code.resourceExhausted, { reason: "resource_exhausted", effect: "rejected" }],
  [Code.failedPrecondition, { reason: "failed_precondition", effect: "rejected" }],
  [Code.aborted, { reason: "aborted", effect: "rejected" }],
  [Code.outOfRange, { reason: "out_of_range", effect: "rejected" }],
  [Code.unimplemented, { reason: "unimplemented", effect: "rejected" }],
  [Code.internal, { reason: "internal", effect: "ambiguous" }],
  [Code.unavailable, { reason: "unavailable", effect: "ambiguous" }],
  [Code.dataLoss, { reason: "data_loss", effect: "ambiguous" }],
  [Code.unauthenticated, { reason: "unauthenticated", effect: "rejected" }],
]);

const unknown: Meaning = { reason: "internal", effect: "ambiguous" };

/**
 * The reason and the effect behind the status that a server has answered, for whoever calls one. `own`: what a service
 * means otherwise.
 */
export function meaningOf(code: number, own?: ReadonlyMap<number, Meaning>): Meaning {
  return own?.get(code) ?? meanings.get(code) ?? unknown;
}
