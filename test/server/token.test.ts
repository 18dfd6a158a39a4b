import { createClient, ConnectError } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { send, serve, type Served } from "./serve.ts";

let served: Served;
let base: { baseUrl: string };
beforeAll(async () => {
  served = await serve({ token: "sesame" });
  base = { baseUrl: `http://127.0.0.1:${served.port}` };
});
afterAll(() => served[Symbol.asyncDispose]());

const lanes = {
  grpc: () => createGrpcTransport(base),
  "gRPC-Web over HTTP/1.1": () => createGrpcWebTransport({ ...base, httpVersion: "1.1" }),
  "gRPC-Web over HTTP/2": () => createGrpcWebTransport({ ...base, httpVersion: "2" }),
  "Connect over HTTP/1.1": () => createConnectTransport({ ...base, httpVersion: "1.1" }),
  "Connect over HTTP/2": () => createConnectTransport({ ...base, httpVersion: "2" }),
} as const;

const missing = "missing api token in request metadata";
const mismatch = "authentication error: api token mismatch";

describe.each(Object.entries(lanes))("%s", (_, transport) => {
  test.each([
    ["absent", undefined, missing],
    ["empty", "", missing],
    ["wrong", "sesam", mismatch],
    ["longer", "sesame1", mismatch],
  ])("token %s: UNAUTHENTICATED", async (_, token, why) => {
    const headers: Record<string, string> = token === undefined ? {} : { "dapr-api-token": token };
    for (const call of [
      () => createClient(Dapr, transport()).getMetadata({}, { headers }),
      () =>
        createClient(Dapr, transport()).invokeBinding(
          { name: "probe", operation: "create" },
          { headers },
        ),
    ]) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => ConnectError.from(thrown),
      );
      expect(error?.code).toBe(16);
      expect(error?.rawMessage).toBe("Unauthorized");
      expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([
        {
          reason: "Unauthorized",
          domain: "dapr.io",
          metadata: { "http.code": "401", "http.error_message": why },
        },
      ]);
    }
    expect(served.calls).toHaveLength(0);
  });

  test("the right token passes and does not reach the binding; health needs none", async () => {
    const headers = { "dapr-api-token": "sesame" };
    await createClient(Dapr, transport()).invokeBinding(
      { name: "probe", operation: "create" },
      { headers },
    );
    const call = served.calls.pop();
    expect(Object.keys(call?.metadata ?? {})).toEqual(["traceparent"]);
    expect((await createClient(Health, transport()).check({})).status).toBe(1);
  });
});

describe("HTTP", () => {
  test.each([
    ["POST", "/v1.0/bindings/probe"],
    ["GET", "/v1.0/metadata"],
    ["PUT", "/v1.0/metadata/key"],
    ["POST", "/v1.0/shutdown"],
    ["GET", "/nothing"],
    ["POST", "/v1.0/healthz"],
  ])("%s %s without or with a wrong token is 401", async (method, path) => {
    for (const headers of [{}, { "dapr-api-token": "wrong" }, { authorization: "Bearer sesame" }]) {
      const answer = await send(served.port, path, {
        method,
        headers: { ...headers },
      });
      expect(answer.status).toBe(401);
      expect(answer.text).toBe("invalid api token\n");
      expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    }
    expect(served.shutdowns()).toBe(0);
  });

  test.each(["/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz/ready"])(
    "GET %s needs none",
    async (path) => {
      expect((await send(served.port, path)).status).toBe(204);
    },
  );

  test("of repeated headers the first counts", async () => {
    const right = { "dapr-api-token": ["sesame", "wrong"] };
    expect((await send(served.port, "/v1.0/metadata", { headers: right })).status).toBe(200);
    const wrong = { "dapr-api-token": ["wrong", "sesame"] };
    expect((await send(served.port, "/v1.0/metadata", { headers: wrong })).status).toBe(401);
  });
});
