import { connect } from "node:http2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineBinding } from "../../src/binding.ts";
import { BindingError } from "../../src/errors.ts";
import { answerOf, frame } from "../grpc/raw-client.ts";
import { sendRaw, serve, spec, type Served } from "../server/serve.ts";

const path = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
/** A driver's message that was cut in the middle of a character. */
const cut = `the server said "${"😀".slice(0, 1)}`;

let served: Served;
beforeAll(async () => {
  const broken = defineBinding({
    name: "broken",
    status: "alpha",
    summary: "Fails.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: {
        description: "Fails.",
        request: {},
        invoke: () => Promise.reject(new BindingError("unavailable", cut)),
      },
    },
  });
  served = await serve({
    bindings: [broken],
    components: [spec("probe"), { ...spec("broken"), type: "bindings.broken" }],
  });
});
afterAll(() => served[Symbol.asyncDispose]());

test.each([
  ["a Host that makes no URL", "HTTP/1.1\r\nHost: ["],
  ["no Host", "HTTP/1.0"],
])("%s: 400, and nothing else ends", async (_, version) => {
  const head = `POST ${path} ${version}\r\nConnection: close\r\nContent-Type: application/json\r\n`;
  const answer = await sendRaw(served.port, `${head}Content-Length: 2\r\n\r\n{}`);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
});

/** One call over HTTP/2, on a connection of its own. */
async function call(body: string, headers: Record<string, string>) {
  const session = connect(`http://127.0.0.1:${served.port}`);
  try {
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    const answer = answerOf(stream);
    stream.end(frame(body));
    return await answer;
  } finally {
    session.destroy();
  }
}

test("JSON that is broken at a character of two halves is answered", async () => {
  const answer = await call('{"name":😀}', { "content-type": "application/grpc+json" });
  expect(answer.headers[":status"]).toBe(500);
});

test("half a character in a failure's text is replaced", async () => {
  const body = '{"name":"broken","operation":"create"}';
  const answer = await call(body, { "content-type": "application/grpc+json" });
  expect(answer).toMatchObject({
    status: 13,
    text: `error invoking output binding broken: ${cut.toWellFormed()}`,
  });
});

test.each([
  ["grpc-timeout", "99999999H", "application/grpc+json"],
  ["connect-timeout-ms", "9999999999", "application/json"],
])("a deadline in %s that no timer can hold has not passed", async (name, value, type) => {
  const body = '{"name":"probe","operation":"create"}';
  if (type === "application/json") {
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\n${name}: ${value}\r\n`;
    const answer = await sendRaw(
      served.port,
      `${head}Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  } else {
    expect(await call(body, { "content-type": type, [name]: value })).toMatchObject({ status: 0 });
  }
});
