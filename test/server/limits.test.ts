import { expect, test } from "vitest";
import { send, sendRaw, serve } from "./serve.ts";

const binding = "/v1.0/bindings/probe";

function bodyOf(size: number): string {
  const start = '{"operation":"empty","data":"';
  return `${start}${"a".repeat(size - start.length - 2)}"}`;
}

test("a body of exactly the limit is taken, one byte more is not", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  expect((await send(served.port, binding, { body: bodyOf(1024) })).status).toBe(200);
  const answer = await send(served.port, binding, { body: bodyOf(1025) });
  expect(answer.status).toBe(400);
  const { errorCode, message } = JSON.parse(answer.text) as { errorCode: string; message: string };
  expect(errorCode).toBe("ERR_MALFORMED_REQUEST");
  expect(message).toContain("failed deserializing HTTP body: ");
  expect(message).toContain("1025");
  expect(message).toContain("1024");
});

test("a body in chunks is measured as it comes", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const headers = { "transfer-encoding": "chunked" };
  expect((await send(served.port, binding, { body: bodyOf(1024), headers })).status).toBe(200);
  const answer = await send(served.port, binding, { body: bodyOf(5000), headers });
  expect(answer.status).toBe(400);
  expect(answer.text).toContain("1024");
});

test("what comes after the value counts too", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const body = `{"operation":"empty"}${" ".repeat(3000)}`;
  expect((await send(served.port, binding, { body })).text).toContain("stream too large");
  const headers = { "transfer-encoding": "chunked" };
  expect((await send(served.port, binding, { body, headers })).text).toContain("stream too large");
});

test("a label that is too large is refused too", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const answer = await send(served.port, "/v1.0/metadata/key", {
    method: "PUT",
    body: "a".repeat(2000),
  });
  expect(answer.status).toBe(400);
});

test("the sender of far too much gets its answer, and the connection is not kept", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const size = 8 * 1024 * 1024;
  const answer = await sendRaw(
    served.port,
    `POST ${binding} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`,
    bodyOf(size),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer.toLowerCase()).toContain("connection: close");
});

test("answers may be larger than the limit over HTTP", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const body = '{"operation":"big","metadata":{"size":"2048"}}';
  expect((await send(served.port, binding, { body })).body).toHaveLength(2048);
});

test("over HTTP/1.1, a message above the limit leaves the connection in order", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const post = (size: number): string =>
    "POST /dapr.proto.runtime.v1.Dapr/InvokeBinding HTTP/1.1\r\nHost: x\r\n" +
    `Content-Type: application/json\r\nContent-Length: ${size}\r\n`;
  const size = 300_000;
  const answer = await sendRaw(
    served.port,
    `${post(size)}\r\n${" ".repeat(size)}${post(2)}Connection: close\r\n\r\n{}`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 429 /);
  expect(answer).toMatch(/HTTP\/1\.1 500 .*operation field is missing/s);
});

test("over HTTP/1.1, a stream that is answered early leaves the connection in order", async () => {
  await using served = await serve({ maxBodySize: 1024 });
  const size = 300_000;
  const answer = await sendRaw(
    served.port,
    "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nHost: x\r\n" +
      `Content-Type: application/connect+json\r\nContent-Length: ${size}\r\n\r\n`,
    Buffer.alloc(size, " "),
    "GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 .*resource_exhausted.*HTTP\/1\.1 204 /s);
});
