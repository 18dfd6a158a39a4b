import { createServer as createTcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { allBytes, openOutput, textOf } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { listen, startLoopback } from "./loopback-server.ts";
import type { LoopbackServer, Responder } from "./loopback-server.ts";

type Case = AsyncDisposable & { server: LoopbackServer; output: OpenedOutput };

async function serve(respond?: Responder, properties: Record<string, string> = {}): Promise<Case> {
  const server = await startLoopback(respond);
  const output = await openOutput(http, { url: server.url, ...properties });
  return {
    server,
    output,
    async [Symbol.asyncDispose]() {
      await output[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("what is sent", () => {
  test.each([
    ["create", "POST", "data"],
    ["post", "POST", "data"],
    ["put", "PUT", "data"],
    ["patch", "PATCH", "data"],
    ["get", "GET", ""],
    ["head", "HEAD", ""],
    ["delete", "DELETE", ""],
    ["options", "OPTIONS", ""],
    ["trace", "TRACE", ""],
  ])("%s is %s, with the body %j", async (operation, method, body) => {
    await using at = await serve();
    await at.output.invoke(operation, {}, { data: "data" });
    expect(at.server.received).toMatchObject([{ method, url: "/" }]);
    expect(at.server.received[0]?.body.toString()).toBe(body);
  });

  test.each([
    ["every byte", allBytes],
    ["1 MiB", new Uint8Array(2 ** 20).fill(254)],
    ["nothing", new Uint8Array()],
  ])("the body is %s as it is, both ways", async (_title, data) => {
    await using at = await serve(({ body }, response) => void response.end(body));
    const answer = await at.output.invoke("post", {}, { data });
    expect(Buffer.compare(at.server.received[0]?.body ?? Buffer.from("none"), data)).toBe(0);
    expect(Buffer.compare(answer?.data ?? Buffer.from("none"), data)).toBe(0);
  });

  test("defaults for Content-Type with a body, and for Accept", async () => {
    await using at = await serve();
    await at.output.invoke("post");
    await at.output.invoke("get");
    const [post, get] = at.server.received;
    const json = "application/json; charset=utf-8";
    expect(post?.headers).toMatchObject({
      "content-type": json,
      accept: json,
      "content-length": "0",
    });
    expect(get?.headers["content-type"]).toBeUndefined();
    expect(get?.headers).toMatchObject({ accept: json, "accept-encoding": "gzip" });
  });

  test("metadata with a capital letter are headers, others are not", async () => {
    await using at = await serve();
    const metadata = {
      "Content-Type": "text/plain",
      Accept: "text/html",
      "X-UPPER-case": "Grüße",
      "x-lower": "no",
      path: "p",
      Empty: "",
    };
    await at.output.invoke("post", metadata, { data: "x" });
    const [received] = at.server.received;
    expect(received?.headers).toMatchObject({
      "content-type": "text/plain",
      accept: "text/html",
      "x-upper-case": Buffer.from("Grüße").toString("latin1"),
      empty: "",
    });
    expect(received?.rawHeaders).toContain("X-Upper-Case");
    expect(received?.headers["x-lower"]).toBeUndefined();
    expect(received?.headers["path"]).toBeUndefined();
  });

  test("the trace context is sent, and wins over headers of its name", async () => {
    await using at = await serve();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const metadata = {
      traceparent,
      tracestate: "a=1",
      baggage: "k=v",
      Traceparent: "mine",
      Baggage: "b",
    };
    await at.output.invoke("get", metadata);
    expect(at.server.received[0]?.headers).toMatchObject({
      traceparent,
      tracestate: "a=1",
      baggage: "k=v",
    });
  });

  test("the component's token is sent, unless a call has its own", async () => {
    const token = { securityToken: "s3cret", securityTokenHeader: "X-Token" };
    await using at = await serve(undefined, token);
    await at.output.invoke("get");
    await at.output.invoke("get", { "X-Token": "mine" });
    expect(at.server.received.map(({ headers }) => headers["x-token"])).toEqual(["s3cret", "mine"]);
  });

  test.each([
    ["X-Evil", "a\r\nX-Injected: yes"],
    ["X-Evil", "a\u0000b"],
    ["X-Evil\r\nX-Injected", "yes"],
    ["X Evil", "a"],
    ["X:Evil", "a"],
  ])("what no header can carry is refused and nothing sent: %j %j", async (name, value) => {
    await using at = await serve();
    await expect(at.output.invoke("get", { [name]: value })).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "rejected",
      message: expect.stringMatching(/^invalid header field (name|value for) "X/),
    });
    expect(at.server.received).toEqual([]);
  });

  test("what belongs to the connection stays the client's own business", async () => {
    await using at = await serve();
    const metadata = {
      Host: "evil.example",
      "Content-Length": "999",
      "Transfer-Encoding": "chunked",
      Connection: "close",
      Expect: "100-continue",
      Upgrade: "websocket",
      "Proxy-Authorization": "Basic eDp5",
    };
    await at.output.invoke("post", metadata, { data: "four" });
    const headers = at.server.received[0]?.headers;
    expect(headers).toMatchObject({ host: `127.0.0.1:${at.server.port}`, "content-length": "4" });
    expect(headers).not.toHaveProperty("upgrade");
    expect(headers).not.toHaveProperty("proxy-authorization");
  });
});

describe("where it is sent", () => {
  test.each([
    ["/", "orders/1", "/orders/1"],
    ["/api", "/orders?full=1&q=a%20b", "/api/orders?full=1&q=a%20b"],
    ["/api///", "///orders", "/api/orders"],
    ["/api", "../../etc/passwd", "/api/../../etc/passwd"],
    ["/api?key=1", "", "/api?key=1"],
    ["", "sp ace/ü?q=ä ö", "/sp%20ace/%C3%BC?q=%C3%A4%20%C3%B6"],
    ["", "a#fragment", "/a"],
    ["", "a%2Fb", "/a%2Fb"],
    ["", "//evil.example/x", "/evil.example/x"],
  ])("url %j and path %j: %s", async (base, path, expected) => {
    await using server = await startLoopback();
    await using output = await openOutput(http, { url: `${server.url}${base}` });
    await output.invoke("get", { path });
    expect(server.received[0]?.url).toBe(expected);
  });

  test.each(["a\r\nb", "a%zz"])("path %j is refused", async (path) => {
    await using at = await serve();
    await expect(at.output.invoke("get", { path })).rejects.toMatchObject({
      reason: "invalid_argument",
    });
    expect(at.server.received).toEqual([]);
  });

  test("user and password in the URL become an Authorization, and are shown nowhere", async () => {
    await using server = await startLoopback((_received, response) => {
      response.socket?.destroy();
    });
    const url = server.url.replace("//", "//ann:p%40ss@");
    await using output = await openOutput(http, { url });
    const error: unknown = await output.invoke("get").catch((reason: unknown) => reason);
    const expected = `Basic ${Buffer.from("ann:p@ss").toString("base64")}`;
    expect(server.received[0]?.headers.authorization).toBe(expected);
    expect(String(error)).toContain(`Get "${server.url}/"`);
    expect(String(error)).not.toContain("p%40ss");
  });

  test.each(["", "localhost:80", "ftp://host/", "http://", "http://a b/", "/path"])(
    "the url %j is refused when the component opens",
    async (url) => {
      await expect(openOutput(http, { url })).rejects.toThrow();
    },
  );
});

describe("what comes back", () => {
  test("status and headers under Go's names, repeats joined", async () => {
    await using at = await serve((_received, response) => {
      response.setHeader("x-request-id", "7");
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      response.setHeader("content-type", "text/plain");
      response.writeHead(201, "Made").end("body");
    });
    const answer = await at.output.invoke("post");
    expect(textOf(answer)).toBe("body");
    expect(answer?.metadata).toMatchObject({
      statusCode: "201",
      status: "201 Made",
      "X-Request-Id": "7",
      "Set-Cookie": "a=1, b=2",
      "Content-Type": "text/plain",
    });
    expect(answer?.metadata).not.toHaveProperty("Transfer-Encoding");
    expect(answer?.metadata).not.toHaveProperty("truncated");
  });

  test("204 and HEAD are empty answers, no absent ones", async () => {
    await using at = await serve((_received, response) => void response.writeHead(204).end());
    for (const operation of ["get", "head"]) {
      const answer = await at.output.invoke(operation);
      expect(answer).toMatchObject({ data: Buffer.alloc(0), metadata: { statusCode: "204" } });
    }
  });

  test("gzip is taken off, and its headers with it", async () => {
    await using at = await serve((_received, response) => {
      response.setHeader("content-encoding", "gzip");
      response.end(gzipSync(allBytes));
    });
    const answer = await at.output.invoke("get");
    expect(answer?.data).toEqual(Buffer.from(allBytes));
    expect(answer?.metadata).not.toHaveProperty("Content-Encoding");
    expect(answer?.metadata).not.toHaveProperty("Content-Length");
  });

  test("gzip that the caller asked for stays on", async () => {
    const zipped = gzipSync("text");
    await using at = await serve((_received, response) => {
      response.setHeader("content-encoding", "gzip");
      response.end(zipped);
    });
    const answer = await at.output.invoke("get", { "Accept-Encoding": "gzip" });
    expect(answer?.data).toEqual(zipped);
    expect(answer?.metadata).toMatchObject({ "Content-Encoding": "gzip" });
  });

  test("broken gzip, and an answer that breaks off, are ambiguous failures", async () => {
    await using at = await serve(({ url }, response) => {
      if (url === "/broken") {
        response.setHeader("content-encoding", "gzip");
        response.end("no gzip");
      } else {
        response.writeHead(200, { "content-length": "100" });
        response.write("short", () => response.destroy());
      }
    });
    for (const path of ["broken", "short"]) {
      await expect(at.output.invoke("get", { path })).rejects.toMatchObject({
        reason: "unavailable",
        effect: "ambiguous",
      });
    }
  });

  test.each([false, true])(
    "a body beyond maxResponseBodySize is cut, and said so (gzip %s)",
    async (zipped) => {
      const huge = Buffer.alloc(5_000_000, "x");
      const respond: Responder = (_received, response) => {
        if (zipped) response.setHeader("content-encoding", "gzip");
        response.end(zipped ? gzipSync(huge) : huge);
      };
      await using at = await serve(respond, { maxResponseBodySize: "1Ki" });
      const answer = await at.output.invoke("get");
      expect(answer?.data).toHaveLength(1024);
      expect(answer?.metadata).toMatchObject({ statusCode: "200", truncated: "true" });
    },
  );

  test("a body of exactly maxResponseBodySize is whole; 0 is no limit", async () => {
    const respond: Responder = (_received, response) => void response.end("12345");
    for (const maxResponseBodySize of ["5", "0", "-1"]) {
      await using at = await serve(respond, { maxResponseBodySize });
      const answer = await at.output.invoke("get");
      expect(textOf(answer)).toBe("12345");
      expect(answer?.metadata).not.toHaveProperty("truncated");
    }
  });
});

describe("a status other than 2xx", () => {
  test.each([
    [400, "invalid_argument", "rejected"],
    [401, "unauthenticated", "rejected"],
    [404, "not_found", "rejected"],
    [418, "invalid_argument", "rejected"],
    [304, "failed_precondition", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [500, "internal", "ambiguous"],
    [503, "unavailable", "ambiguous"],
  ])("%s is an error that keeps status and headers", async (status, reason, effect) => {
    await using at = await serve((_received, response) => {
      response.writeHead(status, { "x-why": "because" }).end("body");
    });
    await expect(at.output.invoke("get")).rejects.toMatchObject({
      message: `received status code ${status}`,
      reason,
      effect,
      systemCode: String(status),
      metadata: { statusCode: String(status), "X-Why": "because" },
    });
  });

  test("says when to try again", async () => {
    await using at = await serve((_received, response) => {
      response.writeHead(503, { "retry-after": "7" }).end();
    });
    await expect(at.output.invoke("get")).rejects.toMatchObject({ retryAfter: 7000 });
  });

  test.each([
    ["false", {}, true],
    ["nonsense", {}, true],
    ["", {}, false],
    ["true", { errorIfNot2XX: "no" }, true],
    ["false", { errorIfNot2XX: "yes" }, false],
    ["false", { errorIfNot2XX: "" }, true],
  ])("errorIfNot2XX %j, and %j for the call: an answer is %s", async (component, call, answers) => {
    const respond: Responder = (_received, response) => void response.writeHead(404).end("none");
    await using at = await serve(respond, { errorIfNot2XX: component });
    const outcome = at.output
      .invoke("get", call as Record<string, string>)
      .then(textOf, () => "error");
    expect(await outcome).toBe(answers ? "none" : "error");
  });
});

describe("when it fails", () => {
  test("no connection: nothing was sent", async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await using output = await openOutput(http, { url: `http://127.0.0.1:${port}/a?key=s3cret` });
    await expect(output.invoke("post")).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: "ECONNREFUSED",
      message: expect.stringMatching(
        /^Post "http:\/\/127\.0\.0\.1:\d+\/a": dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
      ),
    });
  });

  test("a connection that ends without an answer: ambiguous", async () => {
    await using at = await serve((_received, response) => void response.destroy());
    await expect(at.output.invoke("post")).rejects.toMatchObject({
      reason: "unavailable",
      effect: "ambiguous",
    });
    expect(at.server.received).toHaveLength(1);
  });

  test("responseTimeout bounds the whole call, its body too", async () => {
    await using at = await serve((_received, response) => void response.write("begun"), {
      responseTimeout: "150ms",
    });
    await expect(at.output.invoke("post")).rejects.toMatchObject({
      reason: "deadline_exceeded",
      effect: "ambiguous",
      message: expect.stringContaining("no answer within 150 ms (responseTimeout)"),
    });
  });

  test("a caller that cancels ends the request at the server", async () => {
    const closed = vi.fn();
    const gone = new AbortController();
    await using at = await serve((_received, response) => {
      response.on("close", closed);
      gone.abort();
    });
    await expect(at.output.invoke("post", {}, { signal: gone.signal })).rejects.toMatchObject({
      reason: "cancelled",
      effect: "ambiguous",
    });
    await vi.waitFor(() => expect(closed).toHaveBeenCalled());
  });

  test("a caller that cancelled before: nothing is sent", async () => {
    await using at = await serve();
    const signal = AbortSignal.abort();
    await expect(at.output.invoke("post", {}, { signal })).rejects.toMatchObject({
      reason: "cancelled",
      effect: "unsent",
    });
    expect(at.server.received).toEqual([]);
  });

  test("a server that is no HTTP server", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {}).end("SSH-2.0-x\r\n", () => socket.destroy());
    });
    const port = await listen(server);
    const output = await openOutput(http, { url: `http://127.0.0.1:${port}` });
    await expect(output.invoke("get")).rejects.toMatchObject({ effect: "ambiguous" });
    await output[Symbol.asyncDispose]();
    await new Promise((resolve) => server.close(resolve));
  });
});

test("200 calls at once", async () => {
  await using at = await serve(({ body }, response) => void response.end(body));
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => at.output.invoke("post", {}, { data: `${index}` })),
  );
  expect(answers.map(textOf)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}`));
});
