import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { GetMetadataResponseSchema } from "../../gen/dapr/proto/runtime/v1/metadata_pb.ts";
import { daprVersion } from "../../src/version.ts";
import { send, serve, spec, type Served } from "../server/serve.ts";

const failed = { ...spec("lost"), type: "bindings.nosuch" };

async function overHttp(own: Served): Promise<Record<string, unknown>> {
  return JSON.parse((await send(own.port, "/v1.0/metadata")).text) as Record<string, unknown>;
}

async function overGrpc(own: Served): Promise<Record<string, unknown>> {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${own.port}` });
  const answer = await createClient(Dapr, transport).getMetadata({});
  return toJson(GetMetadataResponseSchema, answer) as Record<string, unknown>;
}

test("HTTP and gRPC tell the same", async () => {
  await using own = await serve({ components: [spec("probe")] });
  await createClient(
    Dapr,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${own.port}` }),
  ).setMetadata({ key: "owner", value: "ann" });
  const [http, grpc] = await Promise.all([overHttp(own), overGrpc(own)]);
  const [component] = http["components"] as Record<string, unknown>[];
  expect(component).toMatchObject({ name: "probe", state: "running" });
  // Dapr's message has no room for the state, and HTTP's no workflows.
  delete component?.["state"];
  delete grpc["workflows"];
  delete (http["actorRuntime"] as Record<string, unknown>)["hostReady"];
  expect(grpc).toEqual({ ...http, enabledFeatures: ["HotReload"] });
});

test("a component that does not run has its reason beside its state, one that runs has none", async () => {
  await using own = await serve({ components: [spec("probe"), failed] });
  expect((await overHttp(own))["components"]).toMatchObject([
    { name: "probe", state: "running" },
    {
      name: "lost",
      state: "failed",
      reason: expect.stringContaining("couldn't find binding lost (bindings.nosuch/v1)"),
    },
  ]);
  expect((await overHttp(own))["components"]).not.toHaveProperty("0.reason");
});

test("the versions are the wire's and our own, whatever labels are set", async () => {
  await using own = await serve();
  for (const key of ["daprRuntimeVersion", "cufflinkVersion"])
    await send(own.port, `/v1.0/metadata/${key}`, { method: "PUT", body: "9.9.9" });
  expect(await overHttp(own)).toMatchObject({
    runtimeVersion: daprVersion,
    extended: { daprRuntimeVersion: daprVersion, cufflinkVersion: "1.2.3" },
  });
  expect(daprVersion).toMatch(/^1\.18\.\d+$/);
});
