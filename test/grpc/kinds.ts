import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import {
  type BytesValueSchema,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

type Bytes = typeof BytesValueSchema;

const type = ".google.protobuf.BytesValue";
const file = create(FileDescriptorProtoSchema, {
  name: "test/kinds.proto",
  package: "test",
  syntax: "proto3",
  dependency: ["google/protobuf/wrappers.proto"],
  service: [
    {
      name: "Kinds",
      method: [
        { name: "Unary", inputType: type, outputType: type },
        { name: "Read", inputType: type, outputType: type, serverStreaming: true },
        { name: "Write", inputType: type, outputType: type, clientStreaming: true },
        {
          name: "Both",
          inputType: type,
          outputType: type,
          clientStreaming: true,
          serverStreaming: true,
        },
        {
          name: "Raw",
          inputType: type,
          outputType: type,
          clientStreaming: true,
          serverStreaming: true,
        },
        { name: "Absent", inputType: type, outputType: type },
      ],
    },
  ],
});
const found = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [file_google_protobuf_wrappers.proto, file] }),
).getService("test.Kinds");

/** A service with a method of each kind, one more stream, and one that nobody implements. Each carries bytes. */
export const Kinds = found as GenService<{
  unary: { methodKind: "unary"; input: Bytes; output: Bytes };
  read: { methodKind: "server_streaming"; input: Bytes; output: Bytes };
  write: { methodKind: "client_streaming"; input: Bytes; output: Bytes };
  both: { methodKind: "bidi_streaming"; input: Bytes; output: Bytes };
  raw: { methodKind: "bidi_streaming"; input: Bytes; output: Bytes };
  absent: { methodKind: "unary"; input: Bytes; output: Bytes };
}>;
