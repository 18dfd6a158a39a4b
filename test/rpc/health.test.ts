import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { ComponentSpec } from "../../src/component.ts";
import { send, serve, spec } from "../server/serve.ts";

function clientOf(port: number) {
  return createClient(Health, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
}

describe("grpc.health.v1", () => {
  test("the whole, our services and each component are SERVING once the components were tried", async () => {
    await using served = await serve({ apply: false });
    const client = clientOf(served.port);
    expect((await client.check({})).status).toBe(Status.NOT_SERVING);
    await served.runtime.apply([spec("probe")]);
    for (const service of ["", "dapr.proto.runtime.v1.Dapr", "cufflink.v1.Operations", "probe"]) {
      expect((await client.check({ service })).status).toBe(Status.SERVING);
    }
  });

  test("a name that nobody has is NOT_FOUND", async () => {
    await using served = await serve();
    const error = await clientOf(served.port)
      .check({ service: "nosuch" })
      .catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.NotFound });
  });

  test("Watch tells the status, then each change", async () => {
    await using served = await serve({ apply: false });
    const stop = new AbortController();
    const seen: Status[] = [];
    try {
      for await (const { status } of clientOf(served.port).watch({}, { signal: stop.signal })) {
        seen.push(status);
        if (seen.length === 1) void served.runtime.apply([spec("probe")]);
        if (seen.length === 2) void served.runtime.drain(0);
        if (seen.length === 3) break;
      }
    } finally {
      stop.abort();
    }
    expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  });

  test("Watch does not hold the server's end up", async () => {
    await using served = await serve();
    const watch = clientOf(served.port).watch({})[Symbol.asyncIterator]();
    expect(await watch.next()).toMatchObject({ value: { status: Status.SERVING } });
    const closed = served.server.close(60_000);
    expect(await watch.next()).toMatchObject({ done: true });
    await closed;
  });
});

test("a required component that is down shows in /v1.0/healthz/ready and nowhere else", async () => {
  // As where a secret is missing: of what it says, only this can be read.
  const failing = (name: string, values: Record<string, string>): ComponentSpec => ({
    ...spec(name),
    initTimeout: 50,
    properties: Object.keys(values).map((one) => ({ name: one, origin: undefined })),
    resolve: async (only) => {
      if (only === undefined) throw new Error("no secret");
      return { values, secrets: [] };
    },
  });
  const broken = failing("broken", { required: "true" });
  const nosuch = { ...failing("nosuch", { Readiness: "required" }), type: "bindings.nosuch" };
  const components = [spec("probe"), broken, nosuch, failing("idle", { readiness: "optional" })];
  await using served = await serve({ components });
  const ready = await send(served.port, "/v1.0/healthz/ready");
  expect(ready.status).toBe(503);
  expect(String(ready.body)).toMatch(/are down: broken is .*no secret; nosuch is failed: [^;]*$/);
  expect((await send(served.port, "/v1.0/healthz")).status).toBe(204);
  expect((await clientOf(served.port).check({})).status).toBe(Status.SERVING);
  expect((await clientOf(served.port).check({ service: "broken" })).status).toBe(
    Status.NOT_SERVING,
  );
});
