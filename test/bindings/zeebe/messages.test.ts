import { resolve } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { gateway } from "../../../src/bindings/zeebe/messages.ts";
import { buildDescriptors } from "../../servers/grpc-process.ts";
import { differences } from "../grpc-messages.ts";

test("the messages are those of the published definition", async () => {
  const folder = resolve(import.meta.dirname, "../../servers/zeebe");
  const set = fromBinary(FileDescriptorSetSchema, await buildDescriptors(folder));
  const service = createFileRegistry(set).getService("gateway_protocol.Gateway");
  expect(differences(Object.values(gateway), service?.methods ?? [])).toEqual([]);
});
