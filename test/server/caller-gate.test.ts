import { ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { connect as connectHttp2 } from "node:http2";
import { once } from "node:events";
import { join } from "node:path";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { folder } from "../resources/folder.ts";
import { serve, type Served } from "./serve.ts";

type Headers = Record<string, string>;
type Answer = { status: number; headers: Record<string, unknown>; body: string };

const page: Headers = { origin: "http://evil.example", "sec-fetch-site": "cross-site" };
const form: Headers = { ...page, "content-type": "text/plain" };
const rebound: Headers = { host: "evil.example" };

const callers = { allowedOrigins: [], allowedHosts: [] };

const invocation = JSON.stringify({ operation: "create", data: "x" });
const calls: readonly [method: string, path: string, body: string][] = [
  ["POST", "/v1.0/bindings/probe", invocation],
  ["PUT", "/v1.0/bindings/probe", invocation],
  ["POST", "/v1.0/shutdown", ""],
  ["PUT", "/v1.0/metadata/key", "value"],
  ["GET", "/v1.0/metadata", ""],
  ["GET", "/v1.0/healthz", ""],
  ["POST", "/dapr.proto.runtime.v1.Dapr/Shutdown", "{}"],
  ["POST", "/dapr.proto.runtime.v1.Dapr/InvokeBinding", '{"name":"probe","operation":"create"}'],
  ["GET", "/cufflink.v1.Operations/ListComponents?encoding=json&message=%7B%7D", ""],
  ["POST", "/cufflink.v1.Operations/ListComponents", "{}"],
  ["OPTIONS", "/v1.0/bindings/probe", ""],
  ["POST", "/no/such/path", ""],
];

async function overHttp1(
  { port }: Served,
  [method, path, body]: (typeof calls)[number],
  headers: Headers,
): Promise<Answer> {
  const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await text(response),
  };
}

async function overHttp2(
  { port }: Served,
  [method, path, body]: (typeof calls)[number],
  { host, ...headers }: Headers,
): Promise<Answer> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const authority = host === undefined ? {} : { ":authority": host };
  session.on("error", () => undefined);
  const stream = session.request(
    { ":method": method, ":path": path, ...authority, ...headers },
    { endStream: body === "" },
  );
  if (body !== "") stream.end(body);
  const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
  const all = { status: Number(answer[":status"]), headers: answer, body: await text(stream) };
  session.destroy();
  return all;
}

describe.each([
  ["HTTP/1.1", overHttp1],
  ["HTTP/2", overHttp2],
])("a web page over %s", (_, send) => {
  test.each(calls)("%s %s is refused, and does nothing", async (...call) => {
    const told: string[] = [];
    await using served = await serve({ callers, onRefused: (message) => told.push(message) });
    for (const headers of [page, form, rebound]) {
      const type = call[2].startsWith("{") ? { "content-type": "application/json" } : {};
      const answer = await send(served, call, { ...type, ...headers });
      expect(answer.status).toBe(403);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
      expect(JSON.parse(answer.body)).toMatchObject({
        errorCode: "ERR_CALLER_NOT_ALLOWED",
        code: "permission_denied",
        message: expect.stringMatching(/--allow-origin|--allowed-hosts/),
      });
    }
    expect(served.calls).toEqual([]);
    expect(served.shutdowns()).toBe(0);
    // Each text once, however often.
    expect(told).toHaveLength(2);
  });

  test("an allowed origin's calls and preflights are answered, with what a page may read", async () => {
    await using served = await serve({
      callers: { allowedOrigins: ["https://shop.example"], allowedHosts: [] },
    });
    const shop = { origin: "https://shop.example", "sec-fetch-site": "cross-site" };
    for (const call of calls.filter(([method]) => method !== "OPTIONS")) {
      const type = call[2].startsWith("{") ? { "content-type": "application/json" } : {};
      const { status, headers } = await send(served, call, { ...shop, ...type });
      expect([call, status === 403]).toEqual([call, false]);
      expect(headers).toMatchObject({
        "access-control-allow-origin": "https://shop.example",
        "access-control-expose-headers": expect.stringContaining("grpc-status"),
        vary: expect.stringContaining("Origin"),
      });
    }
    const preflight = await send(served, ["OPTIONS", "/v1.0/bindings/probe", ""], {
      ...shop,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      "access-control-allow-origin": "https://shop.example",
      "access-control-allow-headers": "content-type",
    });
    expect((await send(served, ["POST", "/v1.0/bindings/probe", invocation], page)).status).toBe(
      403,
    );
  });
});

describe("clients that are no browsers", () => {
  const lanes = {
    gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
    "gRPC-Web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    "gRPC-Web over HTTP/2": (baseUrl: string) =>
      createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    Connect: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  };

  test.each(Object.entries(lanes))(
    "%s passes; a page's marks make it permission_denied",
    async (_, lane) => {
      await using served = await serve({ callers });
      const client = createClient(Dapr, lane(`http://localhost:${served.port}`));
      await client.invokeBinding({ name: "probe", operation: "create" });
      const error = await client
        .invokeBinding({ name: "probe", operation: "create" }, { headers: page })
        .then(
          () => undefined,
          (thrown: unknown) => ConnectError.from(thrown),
        );
      expect(error).toMatchObject({ code: 7 });
      expect(served.calls).toHaveLength(1);
    },
  );

  test("gRPC may be for any authority, as resolvers and meshes write them; not with a page's marks", async () => {
    await using served = await serve({ callers });
    const headers = { "content-type": "application/grpc", te: "trailers" };
    const call: (typeof calls)[number] = ["POST", "/grpc.health.v1.Health/Check", ""];
    const passes = await overHttp2(served, call, { ...headers, host: "orders.internal" });
    expect(passes.headers["grpc-message"] ?? "").not.toContain("--allow");
    const refused = await overHttp2(served, call, { ...headers, ...page });
    expect(refused.headers).toMatchObject({
      ":status": 200,
      "grpc-status": "7",
      "grpc-message": expect.stringContaining("--allow-origin http://evil.example"),
    });
  });

  test("health by gRPC passes", async () => {
    await using served = await serve({ callers });
    const health = createClient(
      Health,
      createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` }),
    );
    expect(await health.check({})).toMatchObject({ status: 1 });
  });

  test("a Unix socket is asked by any name", async () => {
    const socketPath = join(folder({}), "http.socket");
    await using served = await serve({ callers, addresses: [{ socket: socketPath }] });
    const request = httpRequest({ socketPath, path: "/v1.0/metadata", headers: rebound }).end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    expect(served.port).toBe(0);
  });

  test("the public port asks the same", async () => {
    await using served = await serve({
      callers,
      publicAddresses: [{ host: "127.0.0.1", port: 0, listener: "public" }],
    });
    const port = served.server.ports[1] ?? 0;
    for (const send of [overHttp1, overHttp2]) {
      const ask = (headers: Headers): Promise<Answer> =>
        send({ ...served, port }, ["GET", "/v1.0/metadata", ""], headers);
      expect((await ask({})).status).toBe(200);
      expect((await ask(rebound)).status).toBe(403);
      expect((await ask(page)).status).toBe(403);
    }
  });

  test("an upgrade to WebSocket by a page is refused", async () => {
    await using served = await serve({ callers });
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const headers = { ...upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", ...page };
    const answer = await overHttp1(served, ["GET", "/v1.0/metadata", ""], headers);
    expect(answer.status).toBe(403);
  });
});
