import { create, toBinary } from "@bufbuild/protobuf";
import { InvokeBindingRequestSchema } from "../gen/dapr/proto/runtime/v1/dapr_pb.ts";

const payload = Buffer.alloc(1024, "0123456789abcdef");
const metadata = { key: "bench" };

/** Where every gRPC call of the bench goes. */
export const invokeBindingPath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** The gRPC body that invokes `create` of the component with 1 KiB. */
export function grpcBody(component: string): Buffer {
  const request = create(InvokeBindingRequestSchema, {
    name: component,
    operation: "create",
    data: payload,
    metadata,
  });
  const message = toBinary(InvokeBindingRequestSchema, request);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The same for `POST /v1.0/bindings/{component}`. */
export function httpBody(): Buffer {
  return Buffer.from(
    JSON.stringify({ operation: "create", metadata, data: payload.toString("latin1") }),
  );
}
