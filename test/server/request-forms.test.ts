// Bodies that are compressed, followed by junk or no UTF-8: each road takes them whole, or says what is wrong.
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { send, serve, type Served } from "./serve.ts";

const binding = "/v1.0/bindings/probe";
const method = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const json = { "content-type": "application/json" };

let served: Served;
beforeAll(async () => void (served = await serve()));
afterAll(() => served[Symbol.asyncDispose]());

function around(before: string, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xfe]), Buffer.from(after)]);
}

describe("Dapr's paths", () => {
  const echo = '{"operation":"echo","data":"x"}';
  const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
    const answer = await send(served.port, binding, { body, headers });
    const { message } = JSON.parse(answer.text) as { message?: string };
    return { ...answer, message };
  };

  test.each(["gzip", "GZIP", "br", "deflate", "gzip, gzip"])(
    "a body in %s is 415, and nothing is invoked",
    async (encoding) => {
      const before = served.calls.length;
      const answer = await post(gzipSync(echo), { "content-encoding": encoding });
      expect(answer.status).toBe(415);
      expect(answer.headers["accept-encoding"]).toBe("identity");
      expect(answer.message).toBe(
        `failed deserializing HTTP body: the body is compressed (content-encoding "${encoding.toLowerCase()}"); send it as it is, or call gRPC or Connect, which take gzip`,
      );
      expect(served.calls).toHaveLength(before);
    },
  );

  test("identity is no compression", async () => {
    const answer = await send(served.port, binding, {
      ...{ body: echo, headers: { "content-encoding": "identity" } },
    });
    expect(answer).toMatchObject({ status: 200, text: '"x"' });
  });

  test.each([
    [`${echo} junk`, "j"],
    [echo + echo, "{"],
    [`${echo},`, ","],
    [`${echo}\0`, "\\x00"],
    ['null"', '"'],
  ])("%j has something behind its value, and nothing is invoked", async (body, sign) => {
    const before = served.calls.length;
    const answer = await post(body);
    expect(answer).toMatchObject({
      status: 400,
      message: `failed deserializing HTTP body: invalid character '${sign}' after top-level value`,
    });
    expect(served.calls).toHaveLength(before);
  });

  test("white space behind it is none", async () => {
    const answer = await send(served.port, binding, { body: `${echo} \r\n\t\n` });
    expect(answer.status).toBe(200);
  });

  test.each([
    ["data", around('{"operation":"echo","data":"', '"}'), 28],
    ["metadata", around('{"operation":"echo","metadata":{"echo-a":"ü', '"}}'), 44],
    ["operation", around('{"operation":"', '"}'), 14],
    ["a key", around('{"operation":"echo","', '":1}'), 21],
  ])("%s that is no UTF-8 is told with its place, and nothing is invoked", async (_, body, at) => {
    const before = served.calls.length;
    expect(await post(body)).toMatchObject({
      status: 400,
      message: `failed deserializing HTTP body: invalid UTF-8: byte 0xff at offset ${at}; send bytes in base64, or by gRPC`,
    });
    expect(served.calls).toHaveLength(before);
  });

  test("a label follows the same rules", async () => {
    const put = (body: string | Buffer, headers: Record<string, string> = {}) =>
      send(served.port, "/v1.0/metadata/label", { method: "PUT", body, headers });
    expect((await put(gzipSync("x"), { "content-encoding": "gzip" })).status).toBe(415);
    expect((await put(around("a", "b"))).status).toBe(400);
    expect((await put("a")).status).toBe(204);
  });
});

describe("Connect's JSON", () => {
  const call = '{"name":"probe","operation":"echo","data":"eA=="}';
  const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
    const answer = await send(served.port, method, { body, headers: { ...json, ...headers } });
    return { status: answer.status, body: JSON.parse(answer.text) as Record<string, string> };
  };

  test("gzip is understood", async () => {
    const answer = await post(gzipSync(call), { "content-encoding": "gzip" });
    expect(answer).toMatchObject({ status: 200, body: { data: "eA==" } });
  });

  test("a compression that is not known is named, with those that are", async () => {
    const answer = await post(deflateSync(call), { "content-encoding": "deflate" });
    expect(answer).toMatchObject({
      status: 501,
      body: { code: "unimplemented", message: expect.stringMatching(/deflate.*gzip/) },
    });
  });

  test("junk behind the value is an error", async () => {
    const answer = await post(`${call} junk`);
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
    expect(answer.body["message"]).toMatch(/JSON/);
  });

  test("what is no UTF-8 is an error, and nothing is invoked", async () => {
    const before = served.calls.length;
    const answer = await post(
      around('{"name":"probe","operation":"echo","metadata":{"a":"', '"}}'),
    );
    expect(answer).toEqual({
      status: 400,
      body: {
        code: "invalid_argument",
        message: "the body is no UTF-8; send bytes in base64, or by gRPC",
      },
    });
    expect(served.calls).toHaveLength(before);
  });

  test("a sign that two parts of the body share is whole", async () => {
    const text = `{"name":"probe","operation":"echo","metadata":{"echo-text":"${"ü".repeat(200_000)}"}}`;
    const answer = await post(text);
    expect(answer.status).toBe(200);
  });
});
