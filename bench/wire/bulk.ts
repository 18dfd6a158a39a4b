import { create, toBinary } from "@bufbuild/protobuf";
import {
  InvocationChunkSchema,
  InvokeBindingBatchRequestSchema,
  InvokeBindingStreamRequestSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { grpcFrame, type Invocation } from "./grpc.ts";

/** Where the two are. */
export const invokeBindingBatchPath = "/cufflink.v1.Bindings/InvokeBindingBatch";
export const invokeBindingStreamPath = "/cufflink.v1.Bindings/InvokeBindingStream";

/** The body of an `InvokeBindingBatch` of the same invocation many times. */
export function batchBody(invocation: Invocation, count: number): Buffer {
  const { component: name, operation, data, metadata } = invocation;
  const each = { name, operation, metadata: { ...metadata }, ...(data && { data }) };
  const invocations = Array.from({ length: count }, () => each);
  return grpcFrame(
    toBinary(
      InvokeBindingBatchRequestSchema,
      create(InvokeBindingBatchRequestSchema, { invocations }),
    ),
  );
}

/** A part of a payload. */
export type Part = { readonly data: Uint8Array; readonly first: boolean; readonly last: boolean };

/** A message of `InvokeBindingStream` with one part of the invocation of that number. */
export function streamFrame(number: number, invocation: Invocation, part: Part): Buffer {
  const { component: name, operation, metadata } = invocation;
  const chunk = create(InvocationChunkSchema, {
    invocation: number,
    data: part.data,
    last: part.last,
    ...(part.first && { start: { name, operation, metadata: { ...metadata } } }),
  });
  return grpcFrame(
    toBinary(
      InvokeBindingStreamRequestSchema,
      create(InvokeBindingStreamRequestSchema, { chunks: [chunk] }),
    ),
  );
}
