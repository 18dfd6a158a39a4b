import { expect, onTestFinished, test, vi } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import s3 from "../../src/bindings/aws/aws.s3/index.ts";
import blobStorage from "../../src/bindings/azure/azure.blobstorage/index.ts";
import bucket from "../../src/bindings/gcp/gcp.bucket/index.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { FakeApp } from "../runtime/fake-app.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";

type Case = {
  readonly binding: AnyBinding;
  readonly at: (endpoint: string) => Record<string, string>;
  readonly operation: string;
  readonly request: Record<string, string>;
};

const cases: Readonly<Record<string, Case>> = {
  "aws.s3": {
    binding: s3,
    at: (endpoint) => ({
      ...{ endpoint, region: "us-east-1", accessKey: "a", secretKey: "s", bucket: "orders" },
      forcePathStyle: "true",
    }),
    operation: "create",
    request: { key: "a" },
  },
  "azure.blobstorage": {
    binding: blobStorage,
    at: (endpoint) => ({
      ...{ endpoint, accountName: "shop", accountKey: "c2VjcmV0", containerName: "orders" },
    }),
    operation: "create",
    request: { blobName: "a" },
  },
  "gcp.bucket": {
    binding: bucket,
    at: (endpoint) => ({ endpoint, bucket: "orders", projectID: "p" }),
    operation: "delete",
    request: { key: "a" },
  },
};

test.each(Object.entries(cases))(
  "%s: without the permission to list, the outputs answer and the state says why nothing is read",
  async (_type, { binding, at, operation, request }) => {
    const server = await startLoopback(({ method }, response) => {
      const status = method === "GET" ? 403 : method === "DELETE" ? 204 : 201;
      response.writeHead(status).end();
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const { runtime, status, invoke } = startRuntime({ bindings: [binding], app: new FakeApp() });
    const values = { ...at(server.url), direction: "input, output", onHandled: "delete" };
    await runtime.apply([
      component(binding.name, {}, { resolve: async () => ({ values, secrets: [] }) }),
    ]);
    await vi.waitFor(() => expect(status().state).toBe("stalled"), { timeout: 10_000 });
    expect(status().reason).toContain("403");
    await invoke("orders", operation, "x", { metadata: request });
    expect(status().state).toBe("stalled");
  },
);
