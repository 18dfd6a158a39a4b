import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  BindingEventRequestSchema,
  BindingEventResponse_BindingEventConcurrency as Concurrency,
  BindingEventResponseSchema,
  type BindingEventRequest,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { RequestHead } from "../grpc/request-head.ts";
import { Code, decodeGrpcMessage, GrpcFailure, type ResponseHeaders } from "../grpc/status.ts";
import { durationOf } from "./duration.ts";
import type { BindingEventHandler } from "../handler/event.ts";
import { CalledEvent, traceOf } from "./event.ts";
import { outcomeOf, type CheckedReply, type Outcome } from "../handler/outcome.ts";
import type { WorkerPool } from "./worker-pool.ts";

type CallOptions = {
  readonly pool: WorkerPool;
  readonly handlerOf: (binding: string) => BindingEventHandler | undefined;
  readonly signal: AbortSignal;
};

/**
 * Handles one event of Dapr's unary `OnBindingEvent` when it has its turn. Rejects with a `GrpcFailure` when it
 * is not handled; `cufflink-outcome` beside the status says what is to become of it. daprd knows neither dead
 * letters, which are failures to it, nor dropping, which it is therefore answered as handled.
 */
export function handleCall(
  message: Uint8Array,
  head: RequestHead,
  { pool, handlerOf, signal }: CallOptions,
): Promise<Uint8Array> {
  const request = fromBinary(BindingEventRequestSchema, message);
  const event = eventOf(request, head, signal);
  return new Promise((resolve, reject) => {
    const conclude = (outcome: Outcome): void => {
      try {
        resolve(responseOf(outcome, head));
      } catch (failure) {
        reject(failure);
      }
    };
    pool.add({ run: () => outcomeOf(handlerOf(event.name), event, conclude) });
  });
}

function eventOf(
  { name, data, metadata }: BindingEventRequest,
  head: RequestHead,
  signal: AbortSignal,
): CalledEvent {
  const lastError = head.get("cufflink-last-error");
  return new CalledEvent({
    ...{ name, data, metadata, signal },
    trace: traceOf(head.get("traceparent"), head.get("tracestate"), head.get("baggage")),
    // daprd does not count.
    attempt: Number(head.get("cufflink-attempt")) || 1,
    attempts: Number(head.get("cufflink-attempts")) || undefined,
    lastError: lastError && decodeGrpcMessage(lastError),
  });
}

function responseOf(outcome: Outcome, request: RequestHead): Uint8Array {
  switch (outcome.kind) {
    case "handled":
      return outcome.reply === undefined ? nothing : encodeReply(outcome.reply);
    case "drop":
      // daprd sends no such header, and would take an error for a failure.
      if (request.get("cufflink-attempt") === undefined) return nothing;
      throw new GrpcFailure(Code.failedPrecondition, outcome.reason, undefined, said("drop"));
    case "deadLetter":
      throw new GrpcFailure(
        Code.failedPrecondition,
        outcome.reason,
        undefined,
        said("dead_letter"),
      );
    case "retry":
      throw new GrpcFailure(
        Code.aborted,
        outcome.reason,
        retryDetails(outcome),
        outcome.after === undefined ? undefined : { "cufflink-retry-after": `${outcome.after}ms` },
      );
  }
}

/** As the settlements of an event stream are called. */
function said(outcome: "dead_letter" | "drop"): ResponseHeaders {
  return { "cufflink-outcome": outcome };
}

const nothing = new Uint8Array(0);

function encodeReply({ data, to, parallel, storeName, states }: CheckedReply): Uint8Array {
  return toBinary(
    BindingEventResponseSchema,
    create(BindingEventResponseSchema, {
      ...{ to, storeName, states },
      concurrency: parallel ? Concurrency.PARALLEL : Concurrency.SEQUENTIAL,
      ...(data !== undefined && { data }),
    }),
  );
}

function retryDetails({ reason, after }: Outcome & { kind: "retry" }): Uint8Array | undefined {
  if (after === undefined) return undefined;
  const info = create(RetryInfoSchema, { retryDelay: durationOf(after) });
  const details = [anyPack(RetryInfoSchema, info)];
  return toBinary(
    StatusSchema,
    create(StatusSchema, { code: Code.aborted, message: reason, details }),
  );
}
