import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { send, sendRaw, serve, spec, type Served } from "./serve.ts";

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

const binding = "/v1.0/bindings/probe";
const invoke = (body: string | Buffer, path = binding, method = "POST") =>
  send(served.port, path, { body, method });
const lastCall = () => served.calls.at(-1);
const text = "error invoking output binding";

describe("answers of a binding", () => {
  test.each(["POST", "PUT"])("%s: no response is 204 without a body", async (method) => {
    const answer = await invoke('{"operation":"create"}', binding, method);
    expect(answer.status).toBe(204);
    expect(answer.body).toHaveLength(0);
    expect(answer.headers["content-type"]).toBeUndefined();
  });

  test("an empty response is 200 with length 0", async () => {
    const answer = await invoke('{"operation":"empty"}');
    expect(answer.status).toBe(200);
    expect(answer.headers["content-length"]).toBe("0");
  });

  test("data comes back byte for byte as application/json", async () => {
    const data = '{"b":1.0, "a":[12345678901234567890,"<&>"]}';
    const answer = await invoke(`{"operation":"echo","data":${data}}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.text).toBe(data);
    expect(lastCall()).toMatchObject({ encoding: "json", data });
  });

  test.each([
    ["absent", '{"operation":"create"}', undefined],
    ["null", '{"operation":"create","data":null}', "null"],
  ])("%s data", async (_, body, data) => {
    await invoke(body);
    expect(lastCall()?.data).toBe(data);
  });

  test("the request's content type does not matter", async () => {
    const headers = { "content-type": "text/plain" };
    const answer = await send(served.port, binding, { body: '{"operation":"empty"}', headers });
    expect(answer.status).toBe(200);
  });

  test.each([
    [
      "unknown binding",
      "/v1.0/bindings/nosuch",
      '{"operation":"create"}',
      "couldn't find output binding nosuch",
    ],
    [
      "no operation goes first",
      "/v1.0/bindings/nosuch",
      "{}",
      "operation field is missing from request",
    ],
    ["empty operation", binding, '{"operation":""}', "operation field is missing from request"],
    ["null operation", binding, '{"operation":null}', "operation field is missing from request"],
    ["body null", binding, "null", "operation field is missing from request"],
    [
      "other case",
      binding,
      '{"operation":"CREATE"}',
      "binding probe does not support operation CREATE. supported operations:create empty echo big fail wait pause",
    ],
    ["component error", binding, '{"operation":"fail"}', "received status code 404"],
  ])("500: %s", async (_, path, body, tail) => {
    const answer = await invoke(body, path);
    expect(answer.status).toBe(500);
    expect(answer.headers["content-type"]).toBe("application/json");
    const name = path.slice(path.lastIndexOf("/") + 1);
    expect(answer.text).toBe(
      JSON.stringify({
        errorCode: "ERR_INVOKE_OUTPUT_BINDING",
        message: `${text} ${name}: ${tail}`,
      }),
    );
  });

  test("a component's error sends its metadata, its reason and when to try again", async () => {
    const { headers } = await invoke('{"operation":"fail"}');
    expect(headers["metadata.statuscode"]).toBe("404");
    expect(headers["cufflink-reason"]).toBe("not_found");
    expect(headers["retry-after"]).toBe("2");
  });

  test("error texts are escaped as Go escapes them", async () => {
    const answer = await invoke('{"operation":"fail","metadata":{"text":"<a> & \\u2028"}}');
    expect(answer.text).toContain("\\u003ca\\u003e \\u0026 \\u2028");
  });

  test("response metadata becomes headers, and cannot break out of them", async () => {
    const metadata = {
      "echo-statusCode": "200",
      "echo-Content-Type": "text/html",
      "echo-X-Multi": "a\r\nInjected: yes",
      "echo-bad name": "dropped",
      "echo-bad\r\nname": "dropped",
      "echo-text": "é€",
      "echo-empty": "",
      "echo-nul": "a\u0000b",
    };
    const answer = await invoke(JSON.stringify({ operation: "echo", metadata }));
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.headers["injected"]).toBeUndefined();
    const headers = new Map<string, string>();
    for (let at = 0; at < answer.raw.length; at += 2)
      headers.set(answer.raw[at]!, answer.raw[at + 1]!);
    expect(headers.get("Metadata.statuscode")).toBe("200");
    expect(headers.get("Metadata.content-Type")).toBe("text/html");
    expect(headers.get("Metadata.x-Multi")).toBe("a  Injected: yes");
    expect(Buffer.from(headers.get("Metadata.text") ?? "", "latin1").toString()).toBe("é€");
    expect(headers.get("Metadata.empty")).toBe("");
    expect([...headers.keys()].some((name) => /bad/.test(name))).toBe(false);
  });
});

describe("malformed bodies are 400", () => {
  test.each([
    ["", "EOF"],
    ['{"operation":', "unexpected EOF"],
    ["nope", "invalid character 'o' in literal null (expecting 'u')"],
    ["[]", "json: cannot unmarshal array into Go value of type http.OutputBindingRequest"],
    [
      '{"operation":1}',
      "json: cannot unmarshal number into Go struct field OutputBindingRequest.operation of type string",
    ],
  ])("%s", async (body, tail) => {
    const answer = await invoke(body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({
      errorCode: "ERR_MALFORMED_REQUEST",
      message: `failed deserializing HTTP body: ${tail}`,
    });
  });

  test("a hundred thousand brackets are an error, and the process lives", async () => {
    const answer = await invoke(`{"operation":"create","data":${"[".repeat(100_000)}`);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("exceeded max depth");
  });
});

describe("paths", () => {
  const notFound = {
    errorCode: "ERR_DIRECT_INVOKE",
    message: "failed getting app id either from the URL path or the header dapr-app-id",
  };

  const alone = "is not part of Cufflink, which has Dapr's bindings alone";

  test.each([
    [
      "POST",
      "/v1.0/invoke/checkout/method/pay?a=1",
      {},
      `service invocation ${alone}: call app checkout at its own address`,
    ],
    [
      "GET",
      "/orders/1",
      { "dapr-app-id": "checkout" },
      `service invocation ${alone}: call app checkout at its own address`,
    ],
    ["POST", "/v1.0/state/store", {}, `the state API ${alone}`],
    ["GET", "/v1.0/state/store/key", { "dapr-app-id": "shop" }, `the state API ${alone}`],
    ["POST", "/v1.0/publish/bus/orders", {}, `publish and subscribe ${alone}`],
    ["POST", "/v1.0-alpha1/jobs/one", {}, `the jobs API ${alone}`],
    ["GET", "/v1.0/invoke", {}, `service invocation ${alone}`],
  ])("%s %s says what is not here", async (method, path, headers, message) => {
    const answer = await send(served.port, path, { method, headers });
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toEqual({ errorCode: "ERR_DIRECT_INVOKE", message });
  });

  test.each([
    ["GET", "/"],
    ["GET", "/nothing"],
    ["GET", binding],
    ["DELETE", binding],
    ["PATCH", binding],
    ["OPTIONS", binding],
    ["POST", "/v1.0/healthz"],
    ["POST", "/v1.0/metadata"],
    ["POST", "/v1.0/bindings/"],
    ["POST", "/v1.0/bindings"],
    ["POST", "/v1.0/bindings/a/b"],
    ["POST", "/V1.0/bindings/probe"],
    ["GET", "/v1.0/shutdown"],
  ])("%s %s is 404", async (method, path) => {
    const answer = await send(served.port, path, { method });
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toEqual(notFound);
  });

  test.each([
    `${binding}/`,
    "//v1.0//bindings/probe",
    "/v1.0/y/../bindings/probe",
    "/v1.0/bindings/%70robe",
    `${binding}?x=1`,
    "/v1.0/./bindings/probe",
  ])("%s is the binding", async (path) => {
    expect((await invoke('{"operation":"empty"}', path)).status).toBe(200);
  });

  test.each([
    ["a%2Fb", "a/b"],
    ["a+b", "a b"],
    ["PROBE", "PROBE"],
    ["%C3%A9", "é"],
    ["%2525", "%25"],
    ["..%2f..%2fetc", "../../etc"],
  ])("%s names the binding %s", async (escaped, name) => {
    const answer = await invoke('{"operation":"create"}', `/v1.0/bindings/${escaped}`);
    expect(JSON.parse(answer.text)).toMatchObject({
      message: `${text} ${name}: couldn't find output binding ${name}`,
    });
  });

  test("an escape that is none is 400", async () => {
    const answer = await invoke("{}", "/v1.0/bindings/%zz");
    expect(answer.status).toBe(400);
    expect(answer.text).toBe("400 Bad Request");
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
  });

  test("headers beyond the limit are 431, 5000 bytes pass", async () => {
    const with5000 = await send(served.port, "/v1.0/healthz", {
      headers: { "x-long": "a".repeat(5000) },
    });
    expect(with5000.status).toBe(204);
    const long = `GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(9000)}\r\n\r\n`;
    expect(await sendRaw(served.port, long)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("what is no HTTP is 400 and the connection ends", async () => {
    expect(await sendRaw(served.port, "\u0016\u0003\u0001 no http at all\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 400 /,
    );
  });
});

describe("trace context", () => {
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("the caller's is echoed and reaches the binding", async () => {
    const headers = { traceparent: parent, tracestate: "v=1", baggage: "user=ann" };
    const answer = await send(served.port, binding, { body: '{"operation":"empty"}', headers });
    expect(answer.headers).toMatchObject(headers);
    expect(lastCall()?.metadata).toMatchObject(headers);
  });

  test.each([undefined, "nonsense", "00-00000000000000000000000000000000-0000000000000000-00"])(
    "%s: one is begun",
    async (traceparent) => {
      const headers: Record<string, string> = traceparent === undefined ? {} : { traceparent };
      const answer = await send(served.port, binding, { body: '{"operation":"empty"}', headers });
      expect(answer.headers["traceparent"]).toMatch(
        /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/,
      );
      expect(lastCall()?.metadata["traceparent"]).toBe(answer.headers["traceparent"]);
    },
  );

  test("one in the request's metadata stays when no header has one", async () => {
    await invoke(
      JSON.stringify({ operation: "create", metadata: { traceparent: parent, tracestate: "m=1" } }),
    );
    expect(lastCall()?.metadata).toMatchObject({ traceparent: parent, tracestate: "m=1" });
  });

  test("no other header reaches the binding", async () => {
    const headers = { authorization: "Bearer secret", "x-custom": "1" };
    await send(served.port, binding, {
      body: '{"operation":"create","metadata":{"a":"b"}}',
      headers,
    });
    expect(Object.keys(lastCall()?.metadata ?? {}).sort()).toEqual(["a", "traceparent"]);
  });

  test("malformed baggage is 400", async () => {
    const answer = await send(served.port, binding, {
      body: "{}",
      headers: { baggage: "no member" },
    });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/^invalid baggage header: .*\n$/);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });
});

test("a caller that goes away aborts the operation", async () => {
  await using own = await serve();
  const leave = new AbortController();
  const answer = send(own.port, binding, { body: '{"operation":"wait"}', signal: leave.signal });
  await own.begun;
  leave.abort();
  await expect(answer).rejects.toThrow("aborted");
  await expect(own.abandoned).resolves.toBeInstanceOf(Error);
});

describe("health and metadata", () => {
  test.each([
    "/v1.0/healthz",
    "/v1.0/healthz/",
    "/v1.0/healthz/outbound",
    "/v1.0/healthz/ready",
    "/v1.0/healthz?appid=shop",
  ])("GET %s is 204 without a trace", async (path) => {
    const answer = await send(served.port, path);
    expect(answer.status).toBe(204);
    expect(answer.headers["traceparent"]).toBeUndefined();
  });

  test("another app id is 500", async () => {
    const answer = await send(served.port, "/v1.0/healthz?appid=other");
    expect(answer.status).toBe(500);
    expect(answer.text).toBe(
      '{"errorCode":"ERR_HEALTH_APPID_NOT_MATCH","message":"dapr app-id does not match"}',
    );
  });

  test("before the components are there it is not ready, and what is invoked waits for them", async () => {
    await using own = await serve({ apply: false });
    for (const path of ["/v1.0/healthz", "/v1.0/healthz/ready"]) {
      const answer = await send(own.port, path);
      expect(answer.status).toBe(500);
      expect(answer.text).toBe(
        '{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [runtime]"}',
      );
    }
    const known = send(own.port, binding, { body: '{"operation":"create"}' });
    const unknown = send(own.port, "/v1.0/bindings/nobody", { body: '{"operation":"create"}' });
    await own.runtime.apply([spec("probe")]);
    expect((await known).status).toBeLessThan(300);
    expect((await unknown).status).toBe(500);
  });

  test("metadata tells of the app, the components and what was set", async () => {
    await using own = await serve();
    const set = await send(own.port, "/v1.0/metadata/cli%20command", {
      method: "PUT",
      body: "node app.js",
    });
    expect(set.status).toBe(204);
    const answer = await send(own.port, "/v1.0/metadata");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.text.endsWith("\n")).toBe(true);
    expect(JSON.parse(answer.text)).toMatchObject({
      id: "shop",
      runtimeVersion: "1.18.3",
      components: [
        { name: "probe", type: "bindings.probe", version: "v1", capabilities: ["OUTPUT_BINDING"] },
      ],
      extended: {
        daprRuntimeVersion: "1.18.3",
        cufflinkVersion: "1.2.3",
        "cli command": "node app.js",
      },
      appConnectionProperties: { protocol: "http", channelAddress: "127.0.0.1" },
      actorRuntime: {
        runtimeStatus: "DISABLED",
        hostReady: false,
        placement: "placement: disconnected",
      },
    });
  });

  test("without components the list is absent", async () => {
    await using own = await serve({ components: [] });
    expect(JSON.parse((await send(own.port, "/v1.0/metadata")).text)).not.toHaveProperty(
      "components",
    );
  });

  test("shutdown is 204, once asked", async () => {
    await using own = await serve();
    const answer = await send(own.port, "/v1.0/shutdown", { method: "POST" });
    expect(answer.status).toBe(204);
    expect(own.shutdowns()).toBe(1);
  });
});
