import type { DescFile } from "@bufbuild/protobuf";
import { file_cufflink_v1_operations } from "../../gen/cufflink/v1/operations_pb.ts";
import { file_dapr_proto_runtime_v1_dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { file_grpc_health_v1_health, Health } from "../../gen/grpc/health/v1/health_pb.ts";
import {
  file_grpc_reflection_v1_reflection,
  ServerReflection as ReflectionV1,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  file_grpc_reflection_v1alpha_reflection,
  ServerReflection as ReflectionV1Alpha,
} from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { methodPath } from "./service.ts";

/** The files whose services are served, for reflection. */
export const servedFiles: readonly DescFile[] = [
  file_dapr_proto_runtime_v1_dapr,
  file_cufflink_v1_operations,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_grpc_reflection_v1alpha_reflection,
];

/** The paths of the streaming methods, which Connect serves. */
export const streamPaths: readonly string[] = [
  Health.method.watch,
  ReflectionV1.method.serverReflectionInfo,
  ReflectionV1Alpha.method.serverReflectionInfo,
].map(methodPath);
