import { createServer as createTcpServer } from "node:net";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import influx from "../../../src/bindings/influx/index.ts";
import type { BindingError } from "../../../src/errors.ts";
import { listen, startLoopback } from "../http/loopback-server.ts";
import type { Responder } from "../http/loopback-server.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { account, csv, startInflux } from "./influx-stand-in.ts";

async function opened(url: string, properties: Record<string, string> = {}) {
  const output = await openOutput(influx, { url, ...account, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

async function serve(properties: Record<string, string> = {}, path = "") {
  const server = await startInflux();
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, output: await opened(server.url + path, properties) };
}

async function serveWith(respond: Responder, properties: Record<string, string> = {}) {
  const server = await startLoopback(respond);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, output: await opened(server.url, properties) };
}

async function failureOf(promise: Promise<unknown>): Promise<BindingError> {
  return promise.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error as BindingError,
  );
}

const point = JSON.stringify({ measurement: "m", tags: "room=hall", values: "t=21.5" });
const raw = 'from(bucket: "temperatures") |> range(start: -1h)';

describe("create", () => {
  test.each([
    ["", "/api/v2/write"],
    ["/", "/api/v2/write"],
    ["/influx/", "/influx/api/v2/write"],
  ])("writes one line, with the url ending in %j", async (path, written) => {
    const { server, output } = await serve({}, path);
    expect(await output.invoke("create", {}, { data: point })).toBeUndefined();
    expect(await output.invoke("create", {}, { data: point, encoding: "json" })).toBeUndefined();
    expect(server.lines).toEqual(["m,room=hall t=21.5", "m,room=hall t=21.5"]);
    const [{ method, url, headers } = { method: "", url: "", headers: {} }] = server.received;
    const query = "bucket=temperatures&org=shop+%26+co&precision=ns";
    expect(`${method} ${url}`).toBe(`POST ${written}?${query}`);
    expect(headers).toMatchObject({
      authorization: `Token ${account.token}`,
      "content-type": "text/plain; charset=utf-8",
    });
  });

  test.each([
    ["m", undefined, "t=1"],
    ["m", null, "t=1"],
    ["m", "", "t=1 1700000000000000000"],
    ["ä\\ b\\,c", "r=a\\ b", 't="x, y"'],
    ["m", "r=a", 't="a\n\\"b\\\\",u=1i 17'],
    ["m", "r=a", `t="${"x".repeat(64 * 1024)}"`],
  ])("the line of %j, %j and %.40j", async (measurement, tags, values) => {
    const { server, output } = await serve();
    const data = JSON.stringify({ measurement, tags, values });
    await output.invoke("create", {}, { data });
    expect(server.lines).toEqual([`${measurement}${tags ? `,${tags}` : ""} ${values}`]);
  });

  const good = { measurement: "m", tags: "r=a", values: "t=1" };
  test.each([
    ["", "it is no JSON"],
    ["m,r=a t=1", "it is no JSON"],
    ["null", "it is no JSON object"],
    ["[]", "it is no JSON object"],
    ['"m t=1"', "it is no JSON object"],
    [{}, "it has no measurement"],
    [{ measurement: "m" }, "it has no values"],
    [{ ...good, measurement: 1 }, "its measurement is no text"],
    [{ ...good, tags: { r: "a" } }, "its tags is no text"],
    [{ ...good, values: 1 }, "its values is no text"],
    [{ ...good, measurement: "#m" }, "comment"],
    [{ ...good, measurement: "m t=1\nother" }, "its measurement"],
    [{ ...good, measurement: "m\r" }, "its measurement"],
    [{ ...good, measurement: "m,r=b" }, "its measurement"],
    [{ ...good, measurement: "m\\" }, "its measurement"],
    [{ ...good, tags: "r=a t=1\nother" }, "its tags"],
    [{ ...good, tags: "r=a\\\n" }, "its tags"],
    [{ ...good, tags: "r=a b" }, "its tags"],
    [{ ...good, values: "t=1\nother t=2" }, "its values"],
    [{ ...good, values: "t=1\0" }, "its values"],
    [{ ...good, values: 't="a\0"' }, "its values"],
    [{ ...good, values: 'a"=1\nother b="x"' }, "its values"],
    [{ ...good, values: 'a\\="=1\nother b="x"' }, "its values"],
    [{ ...good, values: 't="a\nother t=2' }, "its values"],
  ])("%j is refused", async (data, why) => {
    const { server, output } = await serve();
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const error = await failureOf(output.invoke("create", {}, { data: text }));
    expect(error).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    expect(error.message).toContain("influx error: Cannot convert request data: ");
    expect(error.message).toContain(why);
    expect(server.received).toHaveLength(0);
  });
});

describe("query", () => {
  test("answers the CSV as it came", async () => {
    const { server, output } = await serve();
    const answer = await output.invoke("query", { raw });
    expect(textOf(answer)).toBe(csv);
    expect(answer?.metadata).toEqual({ operation: "query", raw });
    const [received] = server.received;
    expect(received?.url).toBe("/api/v2/query?org=shop+%26+co");
    expect(received?.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(JSON.parse(received?.body.toString() ?? "")).toEqual({
      query: raw,
      type: "flux",
      dialect: { annotations: ["datatype", "group", "default"], delimiter: ",", header: true },
    });
  });

  test.each([{}, { raw: "" }, { Raw: raw }])("%j lacks the query", async (metadata) => {
    const { server, output } = await serve();
    expect(
      await failureOf(output.invoke("query", metadata as Record<string, string>)),
    ).toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: "required metadata not set: raw",
    });
    expect(server.received).toHaveLength(0);
  });

  test("an answer larger than maxResponseBodySize", async () => {
    const { output } = await serve({ maxResponseBodySize: "16" });
    expect(await failureOf(output.invoke("query", { raw }))).toMatchObject({
      ...{ reason: "resource_exhausted", effect: "ambiguous" },
      message: "do query influx err: the answer is larger than maxResponseBodySize",
    });
  });
});

describe("what the server refuses", () => {
  test.each([
    [{ token: "other" }, 401, "unauthenticated", "unauthorized: unauthorized access"],
    [{ org: "other" }, 404, "not_found", "not found: organization name not found"],
    [{ bucket: "other" }, 404, "not_found", "not found: bucket not found"],
  ])("%j", async (properties, status, reason, words) => {
    const { server, output } = await serve(properties);
    expect(await failureOf(output.invoke("create", {}, { data: point }))).toMatchObject({
      ...{ reason, effect: "rejected", systemCode: String(status) },
      message: `influx error: Cannot write point: ${words}`,
    });
    expect(server.received).toHaveLength(1);
  });

  test("a query that it cannot compile", async () => {
    const { output } = await serve();
    expect(await failureOf(output.invoke("query", { raw: "x" }))).toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", systemCode: "400" },
      message: "do query influx err: invalid: compilation failed: undefined identifier",
    });
  });

  test.each([
    [400, "invalid_argument", "rejected"],
    [403, "permission_denied", "rejected"],
    [413, "resource_exhausted", "rejected"],
    [422, "invalid_argument", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [500, "internal", "ambiguous"],
    [503, "unavailable", "ambiguous"],
  ])("%s", async (status, reason, effect) => {
    const { server, output } = await serveWith((_received, response) => {
      response.writeHead(status, { "retry-after": "3" }).end("<html>");
    });
    for (const call of [
      output.invoke("create", {}, { data: point }),
      output.invoke("query", { raw }),
    ]) {
      const error = await failureOf(call);
      expect(error).toMatchObject({ reason, effect, systemCode: String(status), retryAfter: 3000 });
      expect(error.message).toMatch(
        new RegExp(`^(influx error|do query influx err).*: ${status}$`),
      );
    }
    expect(server.received).toHaveLength(2);
  });

  test("its words are told without the token, and cut", async () => {
    const { token } = account;
    const { output } = await serveWith(({ headers }, response) => {
      const all = [headers.authorization, token, encodeURIComponent(token), btoa(token)].join(" ");
      const message = all + "é".repeat(100_000);
      response.writeHead(401).end(JSON.stringify({ code: token, message }).slice(0, 60_000));
    });
    const echoed = await serveWith(({ headers }, response) => {
      const all = [headers.authorization, token, encodeURIComponent(token), btoa(token)].join(" ");
      const message = all + "é".repeat(20_000);
      response.writeHead(401).end(JSON.stringify({ code: token, message }));
    });
    for (const one of [output, echoed.output]) {
      const error = await failureOf(one.invoke("query", { raw }));
      const shown = JSON.stringify([error.message, error]);
      for (const secret of ["canary", encodeURIComponent(token), btoa(token)])
        expect(shown).not.toContain(secret);
      expect(shown.length).toBeLessThan(4400);
    }
  });
});

test.each([
  [{ url: "influx:8086" }, "unsupported protocol|must begin with http"],
  [{ url: "http://x/?org=a" }, "url must have no query"],
  [{ token: "canary\r\nX: y" }, 'invalid header field value for "authorization"'],
  [{ token: "" }, "is required"],
  [{ org: "" }, "is required"],
  [{ bucket: "" }, "is required"],
])("a component with %j does not open", async (properties, message) => {
  const all = { url: "http://127.0.0.1:1", ...account, ...properties };
  const error = await failureOf(openOutput(influx, all));
  expect(error.message).toMatch(new RegExp(message));
  expect(error.message).not.toContain("canary");
});

describe("connections", () => {
  test("none: nothing was sent", async () => {
    const output = await opened("http://127.0.0.1:1/");
    expect(await failureOf(output.invoke("create", {}, { data: point }))).toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
      message: expect.stringMatching(
        /^influx error: Cannot write point: Post .* connection refused$/,
      ) as string,
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
        else socket.end("HTTP/1.1 204 No Content\r\nX-");
      });
    });
    const output = await opened(`http://127.0.0.1:${await listen(server)}/`);
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const values = `t="${"x".repeat(2 ** 20)}"`;
    for (const sent of [1, 2]) {
      const data = JSON.stringify({ measurement: "m", values });
      const error = await failureOf(output.invoke("create", {}, { data }));
      expect(error).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
      expect(requests).toBe(sent);
    }
  });

  test("an answer that does not come: ambiguous at the deadline, sent once", async () => {
    const arrived = Promise.withResolvers<void>();
    const { server, output } = await serveWith(() => arrived.resolve());
    const controller = new AbortController();
    const { signal } = controller;
    const failure = failureOf(output.invoke("create", {}, { data: point, signal }));
    await arrived.promise;
    controller.abort(new DOMException("late", "TimeoutError"));
    expect(await failure).toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    expect(server.received).toHaveLength(1);
  });
});
