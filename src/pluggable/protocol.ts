import type { DescMethod } from "@bufbuild/protobuf";
import { InputBinding, OutputBinding } from "../../gen/dapr/proto/components/v1/bindings_pb.ts";
import { methodPath } from "../grpc/service.ts";

export {
  InputBinding,
  InputBindingInitRequestSchema,
  InvokeRequestSchema,
  InvokeResponseSchema,
  ListOperationsResponseSchema,
  OutputBinding,
  OutputBindingInitRequestSchema,
  ReadRequestSchema,
  ReadResponseSchema,
} from "../../gen/dapr/proto/components/v1/bindings_pb.ts";
export type { InvokeRequest, ReadRequest } from "../../gen/dapr/proto/components/v1/bindings_pb.ts";

/** Tells the components of one type in a process apart: the component's name, in the metadata of each call. */
export const instanceHeader = "x-component-instance";

/** By which each method is called. */
export const paths = {
  initInput: pathOf(InputBinding.method.init),
  initOutput: pathOf(OutputBinding.method.init),
  read: pathOf(InputBinding.method.read),
  invoke: pathOf(OutputBinding.method.invoke),
  listOperations: pathOf(OutputBinding.method.listOperations),
  pingInput: pathOf(InputBinding.method.ping),
  pingOutput: pathOf(OutputBinding.method.ping),
} as const;

function pathOf(method: DescMethod): string {
  return methodPath(method);
}
