import { create, toBinary } from "@bufbuild/protobuf";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { plainPayload } from "./payload.ts";

/** Where `InvokeBinding` is. */
export const invokeBindingPath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** A message behind the five bytes that gRPC puts before it. */
export function grpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** What an output is asked for. */
export type Invocation = {
  readonly component: string;
  readonly operation: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Absent: none. */
  readonly data?: Buffer;
};

/** The 1 KiB `create` that most rows send. */
export function createInvocation(component: string, metadata: Record<string, string>): Invocation {
  return { component, operation: "create", metadata, data: plainPayload };
}

/** The body of a gRPC `InvokeBinding`. */
export function grpcInvocation({ component, operation, metadata, data }: Invocation): Buffer {
  const request = create(InvokeBindingRequestSchema, { name: component, operation });
  if (data !== undefined) request.data = data;
  request.metadata = { ...metadata };
  return grpcFrame(toBinary(InvokeBindingRequestSchema, request));
}

/** The body of the same by `POST /v1.0/bindings/{component}`. */
export function httpInvocation({ operation, metadata, data }: Invocation): Buffer {
  return Buffer.from(JSON.stringify({ operation, metadata, data: data?.toString("latin1") }));
}
