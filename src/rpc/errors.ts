import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, type Any } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { BindingError, grpcCodes } from "../errors.ts";
import { GrpcFailure } from "../grpc/status.ts";
import { invokeFailureText } from "./failure-text.ts";

const internal = 13;

/**
 * A failed invocation as Dapr answers it over gRPC: always INTERNAL, with Dapr's text and its
 * `ErrorInfo`. The precise reason is in that detail's metadata, and in `RetryInfo` where it applies.
 */
export function invokeStatus(name: string, error: BindingError): InvokeStatus {
  const info = create(ErrorInfoSchema, {
    reason: "ERR_INVOKE_OUTPUT_BINDING",
    domain: "dapr.io",
    metadata: {
      reason: error.reason,
      effect: error.effect,
      ...(error.systemCode === undefined ? {} : { systemCode: error.systemCode }),
    },
  });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (error.retryAfter !== undefined) {
    const seconds = Math.floor(error.retryAfter / 1000);
    const nanos = Math.round((error.retryAfter - seconds * 1000) * 1e6);
    details.push(
      anyPack(
        RetryInfoSchema,
        create(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } }),
      ),
    );
  }
  return { code: internal, message: invokeFailureText(name, error), details };
}

/** What a `google.rpc.Status` is made of. */
export type InvokeStatus = {
  readonly code: number;
  readonly message: string;
  readonly details: Any[];
};

/** The same as the failure of a call. */
export function invokeFailure(name: string, error: BindingError): GrpcFailure {
  const { code, message, details } = invokeStatus(name, error);
  return new GrpcFailure(code, message, encodeStatus(code, message, details));
}

/** A call without the token, as Dapr answers it. */
export function unauthenticated(text: string): GrpcFailure {
  const info = create(ErrorInfoSchema, {
    reason: "Unauthorized",
    domain: "dapr.io",
    metadata: { "http.code": "401", "http.error_message": text },
  });
  const details = encodeStatus(16, "Unauthorized", [anyPack(ErrorInfoSchema, info)]);
  return new GrpcFailure(16, "Unauthorized", details);
}

function encodeStatus(code: number, message: string, details: Any[]): Uint8Array {
  return toBinary(StatusSchema, create(StatusSchema, { code, message, details }));
}

/** Answers a call of our own services: a `BindingError` by the code of its reason, with its text. */
export async function answering<Answer>(answer: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await answer();
  } catch (error) {
    throw ownFailure(error);
  }
}

/** The same for each message of a stream. */
export async function* answeringEach<From, Answer>(
  messages: AsyncIterable<From>,
  convert: (message: From) => Answer,
): AsyncGenerator<Answer> {
  try {
    for await (const message of messages) yield convert(message);
  } catch (error) {
    throw ownFailure(error);
  }
}

function ownFailure(error: unknown): unknown {
  return error instanceof BindingError
    ? new GrpcFailure(grpcCodes[error.reason], error.message)
    : error;
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
