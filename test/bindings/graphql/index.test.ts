import { createServer as createTcpServer } from "node:net";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import graphql from "../../../src/bindings/graphql/index.ts";
import type { BindingError } from "../../../src/errors.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { listen, startLoopback } from "../http/loopback-server.ts";
import type { Responder } from "../http/loopback-server.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { startDroids } from "./droids.ts";

async function opened(endpoint: string, properties: Record<string, string> = {}) {
  const output = await openOutput(graphql, { endpoint, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

/** A binding at a server of the test's own. */
async function serve(respond: Responder, properties: Record<string, string> = {}) {
  const server = await startLoopback(respond);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, output: await opened(server.url, properties) };
}

/** A binding at a server by GraphQL's own implementation. */
async function serveDroids(properties: Record<string, string> = {}) {
  const server = await startDroids();
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, output: await opened(`${server.url}/graphql?v=1`, properties) };
}

function saying(status: number, body: unknown, headers: Record<string, string> = {}): Responder {
  const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return (_received, response) => void response.writeHead(status, headers).end(text);
}

async function failureOf(promise: Promise<unknown>): Promise<BindingError> {
  return promise.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error as BindingError,
  );
}

const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
const add = "mutation ($name: String!) { addDroid(name: $name) { id name } }";

describe("with a real server", () => {
  test("a mutation and a query, with variables", async () => {
    const { server, output } = await serveDroids();
    const added = await output.invoke("mutation", { mutation: add, "variable:name": "R2-D2" });
    expect(textOf(added)).toBe('{"addDroid":{"id":"1","name":"R2-D2"}}');
    const query = "\n query ($name: String) { droid(name: $name) { id } }";
    const found = await output.invoke("query", { query, "variable:name": "R2-D2" });
    expect(textOf(found)).toBe('{"droid":{"id":"1"}}');
    const none = await output.invoke("query", { query }, { data: "not used" });
    expect(textOf(none)).toBe('{"droid":null}');
    expect(server.received.map(({ method, url }) => `${method} ${url}`)).toEqual(
      Array.from({ length: 3 }, () => "POST /graphql?v=1"),
    );
    expect(server.received.map(({ body }) => JSON.parse(body.toString()) as unknown)).toEqual([
      { query: add, variables: { name: "R2-D2" } },
      { query: query.trim(), variables: { name: "R2-D2" } },
      { query: query.trim(), variables: null },
    ]);
  });

  test("the answer's metadata: operation, times and duration", async () => {
    const { output } = await serveDroids();
    const before = Date.now();
    const answer = await output.invoke("query", { query: "query { droids { id } }" });
    expect(Object.keys(answer?.metadata ?? {})).toEqual([
      ...["operation", "start-time", "end-time", "duration"],
    ]);
    const { operation, duration, ...times } = answer?.metadata ?? {};
    expect(operation).toBe("query");
    expect(duration).toMatch(/^\d+(\.\d+)?(ms|s)$/);
    for (const text of Object.values(times)) {
      expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Date.parse(text)).toBeGreaterThanOrEqual(before);
      expect(Date.parse(text)).toBeLessThanOrEqual(Date.now());
    }
  });

  test("headers: the component's with each call, a call's own in their place", async () => {
    const { server, output } = await serveDroids({
      "header:Authorization": "Bearer component",
      "header:X-Shop": "shop",
    });
    const query = "query { whoAmI }";
    expect(textOf(await output.invoke("query", { query }))).toBe('{"whoAmI":"Bearer component"}');
    const own = { query, "header:authorization": "Bearer call", "header:X-Call": "Grüße" };
    expect(textOf(await output.invoke("query", own))).toBe('{"whoAmI":"Bearer call"}');
    expect(textOf(await output.invoke("query", { query }))).toBe('{"whoAmI":"Bearer component"}');
    const json = "application/json; charset=utf-8";
    const [first, second] = server.received.map(({ headers }) => headers);
    expect(first).toMatchObject({ "x-shop": "shop", "content-type": json, accept: json });
    expect(second?.["x-call"]).toBe(Buffer.from("Grüße").toString("latin1"));
  });

  test.each([
    ["what it does not know", "query { nosuch }", "rejected", "invalid_argument", "nosuch"],
    ["what it cannot read", "query {", "rejected", "invalid_argument", "Syntax Error"],
    ["what fails on the way", "query { broken }", "ambiguous", "internal", "the droid is broken"],
  ])("%s is an error", async (_, query, effect, reason, words) => {
    const { output } = await serveDroids();
    const error = await failureOf(output.invoke("query", { query }));
    expect(error).toMatchObject({ effect, reason, systemCode: "200" });
    expect(error.message).toMatch(/^GraphQL Error: graphql: /);
    expect(error.message).toContain(words);
  });

  test("a mutation of which a part was done is ambiguous, and is sent once", async () => {
    const { server, output } = await serveDroids();
    const mutation = 'mutation { addDroid(name: "BB-8") { id } break }';
    const error = await failureOf(output.invoke("mutation", { mutation }));
    expect(error).toMatchObject({
      effect: "ambiguous",
      message: "GraphQL Error: graphql: it broke",
    });
    expect(server.droids).toHaveLength(1);
    expect(server.received).toHaveLength(1);
  });
});

describe("calls that cannot be sent", () => {
  test.each([
    ["query", {}, 'GraphQL Error: required "query" not set'],
    ["query", { query: " \n" }, 'GraphQL Error: required "query" not set'],
    ["query", { query: "" }, 'GraphQL Error: required "query" not set'],
    ["query", { mutation: add }, 'GraphQL Error: required "query" not set'],
    ["mutation", { query: "query { a }" }, 'GraphQL Error: required "mutation" not set'],
    ["query", { query: "{ droids { id } }" }, "GraphQL Error: command is not a query"],
    ["query", { query: add }, "GraphQL Error: command is not a query"],
    ["mutation", { mutation: "query { a }" }, "GraphQL Error: command is not a mutation"],
    ["query", { query: "query { a }", "variable:": "x" }, /variable: needs a name/],
    ["query", { query: "query { a }", "header:": "x" }, /header: needs a name/],
    ["query", { query: "query { a }", "header:a b": "x" }, /invalid header field name "a b"/],
    ["query", { query: "query { a }", "header:a\r\nb": "x" }, /invalid header field name/],
    ["query", { query: "query { a }", "header:a": "x\r\ny: z" }, /header field value for "a"/],
    ["query", { query: "query { a }", "header:a": "x\0" }, /invalid header field value for "a"/],
  ] as const)("%s with %j", async (operation, metadata, message) => {
    const { server, output } = await serve(saying(200, { data: null }));
    const error = await failureOf(output.invoke(operation, metadata));
    expect(error).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    expect(error.message).toEqual(
      typeof message === "string" ? message : expect.stringMatching(message),
    );
    expect(server.received).toHaveLength(0);
  });

  test.each([
    ['quotes " and \\, CR LF \r\n, NUL \0 and ../', "x"],
    ["64 KiB", "ä".repeat(32 * 1024)],
    ["__proto__", "{}"],
  ])("a variable of %j comes as it is", async (name, value) => {
    const { server, output } = await serve(saying(200, { data: null }));
    await output.invoke("query", { query: "query { a }", [`variable:${name}`]: value + name });
    const sent = JSON.parse(server.received[0]?.body.toString() ?? "") as { variables: object };
    expect(Object.entries(sent.variables)).toEqual([[name, value + name]]);
  });

  test.each([
    [{ endpoint: "ftp://x/" }, 'unsupported protocol scheme "ftp"'],
    [{ endpoint: "graphql" }, "it must begin with http:// or https://"],
    [{ endpoint: "http://x/", "header:a b": "c" }, 'invalid header field name "a b"'],
    [{ endpoint: "http://x/", "header:a": "b\r\nc: d" }, 'invalid header field value for "a"'],
    [{ endpoint: "" }, "is required"],
  ])("a component with %j does not open", async (properties, message) => {
    await expect(openOutput(graphql, properties)).rejects.toThrow(message);
  });
});

describe("what the server says", () => {
  test.each([
    [200, { data: { a: 1 }, extensions: {} }, '{"a":1}'],
    [200, { data: null }, "null"],
    [200, { data: { a: 1 }, errors: [] }, '{"a":1}'],
    [200, { data: { a: 1 }, errors: null }, '{"a":1}'],
    [203, { data: "ä" }, '"ä"'],
    [200, `{"data":${deep}}`, deep],
    [200, '{"data":{"big":12345678901234567890,"exact":1.10,"n":-0.5}}', undefined],
  ])("%s with %j is an answer", async (status, body, data) => {
    const { output } = await serve(saying(status, body));
    const answer = await output.invoke("query", { query: "query { a }" });
    const exact = '{"big":12345678901234567890,"exact":1.10,"n":-0.5}';
    expect(textOf(answer)).toBe(data ?? exact);
  });

  const said = (code?: string) => ({ errors: [{ message: "No.", extensions: { code } }] });
  test.each([
    [200, said("UNAUTHENTICATED"), "unauthenticated", "rejected", "UNAUTHENTICATED", "No."],
    [200, said("FORBIDDEN"), "permission_denied", "rejected", "FORBIDDEN", "No."],
    [200, said("OTHER"), "invalid_argument", "rejected", "OTHER", "No."],
    [200, { ...said("OTHER"), data: null }, "internal", "ambiguous", "OTHER", "No."],
    [200, { errors: ["x"] }, "invalid_argument", "rejected", "200", ""],
    [400, said(), "invalid_argument", "rejected", "400", "No."],
    [401, said(), "unauthenticated", "rejected", "401", "No."],
    [429, said(), "resource_exhausted", "unsent", "429", "No."],
    [500, said(), "internal", "ambiguous", "500", "No."],
    [503, said(), "unavailable", "ambiguous", "503", "No."],
    ...[
      [401, { message: "no" }, "unauthenticated", "rejected"] as const,
      [404, "<html>", "not_found", "rejected"] as const,
      [408, "", "deadline_exceeded", "ambiguous"] as const,
      [429, "", "resource_exhausted", "unsent"] as const,
      [500, { data: { a: 1 } }, "internal", "ambiguous"] as const,
      [502, "", "unavailable", "ambiguous"] as const,
    ].map(([status, body, reason, effect]) => {
      const words = `server returned a non-200 status code: ${status}`;
      return [status, body, reason, effect, String(status), words] as const;
    }),
  ] as const)("%s with %j is an error", async (status, body, reason, effect, systemCode, words) => {
    const { server, output } = await serve(saying(status, body, { "retry-after": "3" }));
    const error = await failureOf(output.invoke("mutation", { mutation: "mutation { a }" }));
    const message = `GraphQL Error: graphql: ${words}`;
    expect(error).toMatchObject({ message, reason, effect, systemCode, retryAfter: 3000 });
    expect(server.received).toHaveLength(1);
  });

  test.each([
    ["<html>", "it is no JSON"],
    ["", "it is no JSON"],
    ["[]", "it is no JSON object"],
    ["{}", "it has neither data nor errors"],
    ["[".repeat(200_000), "it is no JSON"],
    [Buffer.from('{"data":"ÿ"}', "latin1"), "it is no UTF-8"],
  ])("200 with %.20j is no response", async (body, why) => {
    const { output } = await serve(saying(200, body));
    const error = await failureOf(output.invoke("query", { query: "query { a }" }));
    expect(error).toMatchObject({ reason: "internal", effect: "ambiguous" });
    expect(error.message).toContain(`GraphQL Error: the answer is no GraphQL response: ${why}`);
  });

  test("a long message is cut", async () => {
    const { output } = await serve(saying(200, { errors: [{ message: "é".repeat(100_000) }] }));
    const error = await failureOf(output.invoke("query", { query: "query { a }" }));
    expect(error.message.length).toBeLessThan(4200);
  });

  test("an answer larger than maxResponseBodySize, or than memory has room for", async () => {
    const body = { data: "x".repeat(100_000) };
    const { server, output } = await serve(saying(200, body), { maxResponseBodySize: "64Ki" });
    const call = { query: "query { a }" };
    expect(await failureOf(output.invoke("query", call))).toMatchObject({
      ...{ reason: "resource_exhausted", effect: "ambiguous" },
      message: "GraphQL Error: the answer is larger than maxResponseBodySize",
    });
    const memory = new MemoryBudget(32 * 1024).share("small");
    const signal = AbortSignal.timeout(20_000);
    await using small = await openOutput(graphql, { endpoint: server.url }, signal, memory);
    expect(await failureOf(small.invoke("query", call))).toMatchObject({
      ...{ reason: "resource_exhausted", effect: "ambiguous" },
      message: expect.stringContaining("--memory-budget") as string,
    });
  });

  test("a redirect to another host: the body follows it, the headers that are secret do not", async () => {
    const other = await startLoopback(saying(200, { data: null }));
    onTestFinished(() => other[Symbol.asyncDispose]());
    const location = `http://localhost:${other.port}/other`;
    const { output } = await serve(saying(307, "", { location }), { "header:X-Key": "component" });
    await output.invoke("query", { query: "query { a }", "header:X-Own": "call" });
    const [{ method, headers } = { method: "", headers: {} }] = other.received;
    expect(method).toBe("POST");
    expect(headers).not.toHaveProperty("x-key");
    expect(headers).not.toHaveProperty("x-own");
  });
});

describe("connections", () => {
  const call = { mutation: "mutation { a }" };

  test("none: nothing was sent", async () => {
    const output = await opened("http://127.0.0.1:1/");
    expect(await failureOf(output.invoke("mutation", call))).toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
      message:
        'GraphQL Error: Post "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused',
    });
  });

  test("one that is cut in the middle of the request, or of the answer: ambiguous, once", async () => {
    let requests = 0;
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => {
        requests++;
        if (requests === 1) socket.resetAndDestroy();
        else socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
      });
    });
    const output = await opened(`http://127.0.0.1:${await listen(server)}/`);
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    for (const sent of [1, 2]) {
      const large = { ...call, "variable:x": "x".repeat(2 ** 20) };
      const error = await failureOf(output.invoke("mutation", large));
      expect(error).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
      expect(requests).toBe(sent);
    }
  });

  test("an answer that does not come: ambiguous at the deadline, sent once", async () => {
    const arrived = Promise.withResolvers<void>();
    const { server, output } = await serve(() => arrived.resolve());
    const controller = new AbortController();
    const failure = failureOf(output.invoke("mutation", call, { signal: controller.signal }));
    await arrived.promise;
    controller.abort(new DOMException("late", "TimeoutError"));
    expect(await failure).toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    expect(server.received).toHaveLength(1);
  });
});

test("what is secret is in no error, though the server repeats it", async () => {
  const token = "canary-7f3a/+token";
  const basic = Buffer.from("user:canary-password").toString("base64");
  const respond: Responder = ({ headers }, response) => {
    const echo = [headers.authorization, headers["x-key"], token, "canary-password"].join(" ");
    const message = `${echo} ${encodeURIComponent(token)} ${Buffer.from(token).toString("base64")}`;
    response.end(JSON.stringify({ errors: [{ message, extensions: { code: token } }] }));
  };
  const { output } = await serve(respond, { "header:Authorization": `Bearer ${token}` });
  const call = { query: "query { a }", "header:X-Key": `Basic ${basic}` };
  const error = await failureOf(output.invoke("query", call));
  const shown = JSON.stringify([error.message, error]);
  for (const secret of [token, "canary", basic, encodeURIComponent(token), btoa(token)])
    expect(shown).not.toContain(secret);
  expect(shown).toContain("***");
});
