import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { BindingError, type Effect, type Reason } from "../errors.ts";
import type { CallFailure } from "../grpc/client.ts";
import { Code, codeName } from "../grpc/status.ts";
import { millisecondsOf } from "./duration.ts";

/** A failed call as gRPC tells it. */
export type GrpcStatus = {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
};

/** An invocation's failure with the reason, the effect and the pause that the runtime tells. */
export function bindingErrorOf({ code, message, details }: GrpcStatus): BindingError {
  let reason = reasonOf(code);
  let effect: Effect = uncertain.has(reason) ? "ambiguous" : "rejected";
  let systemCode: string | undefined;
  let retryAfter: number | undefined;
  for (const any of details) {
    const info = unpack(any, ErrorInfoSchema);
    if (info !== undefined) {
      const { reason: told = "", effect: effectTold = "" } = info.metadata;
      if (isReason(told)) reason = told;
      if (isEffect(effectTold)) effect = effectTold;
      ({ systemCode } = info.metadata);
    }
    const retry = unpack(any, RetryInfoSchema)?.retryDelay;
    if (retry !== undefined) retryAfter = millisecondsOf(retry);
  }
  return new BindingError(reason, message || codeName(code), { effect, systemCode, retryAfter });
}

/** The details in an encoded `google.rpc.Status`; none when it is not one. */
export function detailsOf(status: Uint8Array | undefined): readonly Any[] {
  if (status === undefined) return [];
  try {
    return fromBinary(StatusSchema, status).details;
  } catch {
    return [];
  }
}

/** The runtime has no streams of `cufflink.v1`. daprd says so in words of its own, of a proxy that it would be. */
export function lacksStreams({ kind, code, message }: CallFailure): boolean {
  if (kind !== "failed") return false;
  return code === Code.unimplemented || message.includes("dapr-callee-app-id");
}

function unpack<Schema extends typeof ErrorInfoSchema | typeof RetryInfoSchema>(
  any: Any,
  schema: Schema,
) {
  try {
    return anyUnpack<Schema>(any, schema);
  } catch {
    return undefined;
  }
}

const reasons = new Set<string>([
  "invalid_argument",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "already_exists",
  "failed_precondition",
  "out_of_range",
  "resource_exhausted",
  "aborted",
  "cancelled",
  "deadline_exceeded",
  "unavailable",
  "unimplemented",
  "data_loss",
  "internal",
] satisfies Reason[]);

/** Without a word of the runtime nobody knows what became of these. */
const uncertain = new Set<Reason>(["internal", "unavailable", "cancelled", "deadline_exceeded"]);

/** The reasons are gRPC's own words. */
function reasonOf(code: number): Reason {
  const name = codeName(code).toLowerCase();
  return isReason(name) ? name : "internal";
}

function isReason(text: string): text is Reason {
  return reasons.has(text);
}

function isEffect(text: string): text is Effect {
  return text === "unsent" || text === "ambiguous" || text === "rejected";
}
