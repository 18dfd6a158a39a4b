import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection as V1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { serve, type Served } from "../server/serve.ts";

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

type Question =
  | {
      case:
        | "listServices"
        | "fileContainingSymbol"
        | "fileByFilename"
        | "allExtensionNumbersOfType";
      value: string;
    }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } };

async function* questions(all: readonly Question[]) {
  for (const messageRequest of all) yield { host: "h", messageRequest };
}

describe.each([
  ["v1", V1],
  ["v1alpha", V1Alpha],
] as const)("%s", (_, service) => {
  async function ask(...all: Question[]) {
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` });
    const answers = [];
    for await (const answer of createClient(service, transport).serverReflectionInfo(
      questions(all),
    )) {
      answers.push(answer.messageResponse);
    }
    return answers;
  }

  test("lists the services", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    expect(answer).toMatchObject({
      case: "listServicesResponse",
      value: {
        service: [
          { name: "cufflink.v1.Bindings" },
          { name: "cufflink.v1.DeadLetters" },
          { name: "cufflink.v1.History" },
          { name: "cufflink.v1.Operations" },
          { name: "dapr.proto.runtime.v1.Dapr" },
          { name: "grpc.health.v1.Health" },
          { name: "grpc.reflection.v1.ServerReflection" },
          { name: "grpc.reflection.v1alpha.ServerReflection" },
        ],
      },
    });
  });

  test.each([
    "dapr.proto.runtime.v1.Dapr",
    "dapr.proto.runtime.v1.Dapr.InvokeBinding",
    "dapr.proto.runtime.v1.InvokeBindingRequest",
    "dapr.proto.runtime.v1.InvokeBindingRequest.MetadataEntry",
    "cufflink.v1.ComponentState",
    "google.protobuf.Timestamp",
  ])("the files of %s can be read back into a whole", async (symbol) => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
    if (answer?.case !== "fileDescriptorResponse") throw new Error(JSON.stringify(answer));
    const file = answer.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const registry = createFileRegistry(
      create(FileDescriptorSetSchema, { file: file.toReversed() }),
    );
    const parent = symbol.replace(/\.InvokeBinding$|\.MetadataEntry$/, "");
    expect(registry.get(parent)?.typeName).toBe(parent);
  });

  test("several questions in one stream, and what is not there", async () => {
    const answers = await ask(
      { case: "fileByFilename", value: "dapr/proto/runtime/v1/dapr.proto" },
      { case: "fileContainingSymbol", value: "no.such.Thing" },
      { case: "fileContainingExtension", value: { containingType: "a.B", extensionNumber: 1 } },
      { case: "allExtensionNumbersOfType", value: "dapr.proto.runtime.v1.InvokeBindingRequest" },
    );
    expect(answers.map((answer) => answer.case)).toEqual([
      "fileDescriptorResponse",
      "errorResponse",
      "errorResponse",
      "allExtensionNumbersResponse",
    ]);
    expect(answers[1]).toMatchObject({ value: { errorCode: 5 } });
  });
});

test("buf curl calls by reflection alone", async () => {
  const { stdout } = await promisify(execFile)("node_modules/.bin/buf", [
    "curl",
    "--http2-prior-knowledge",
    "--protocol",
    "grpc",
    "--data",
    '{"name":"probe","operation":"echo","data":"aGk="}',
    `http://127.0.0.1:${served.port}/dapr.proto.runtime.v1.Dapr/InvokeBinding`,
  ]);
  expect(JSON.parse(stdout)).toEqual({ data: "aGk=" });
});
