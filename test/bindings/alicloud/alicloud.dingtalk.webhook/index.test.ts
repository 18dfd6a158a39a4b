import { describe, expect, onTestFinished, test, vi } from "vitest";
import dingtalk from "../../../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import { createHttpEndpoints } from "../../../../src/server/http-endpoints.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import {
  accessToken,
  outgoingHeaders,
  outgoingMessage,
  secret,
  startDingtalk,
  textMessage,
} from "./stand-in.ts";

const robot = { id: "alerts", url: "http://127.0.0.1:1/robot/send?access_token=t" };

async function serve(properties: Record<string, string> = {}, signs = true) {
  const server = await startDingtalk({ signs });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(dingtalk, {
    ...{ id: "alerts", url: server.webhook, secret },
    ...properties,
  });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

describe("create", () => {
  test.each([
    { msgtype: "text", text: { content: "告警 \u0001 & = ?" }, at: { isAtAll: true } },
    { msgtype: "markdown", markdown: { title: "t", text: "# x" } },
    { msgtype: "link", link: { title: "t", text: "x", messageUrl: "https://example.org" } },
    { msgtype: "actionCard", actionCard: { title: "t", text: "x", singleURL: "u" } },
    { msgtype: "feedCard", feedCard: { links: [] } },
  ])("posts a message of the type $msgtype as it is, signed", async (message) => {
    const { server, output } = await serve();
    const data = JSON.stringify(message);
    expect(await output.invoke("create", {}, { data })).toEqual({});
    expect(server.messages).toEqual([message]);
    expect(server.received[0]?.body.toString()).toBe(data);
  });

  test("without a secret nothing is signed, and a URL without a query gets one", async () => {
    const { server, output } = await serve({ secret: "" }, false);
    await output.invoke("create", {}, { data: textMessage("x") });
    expect(server.received[0]?.url).not.toContain("sign");
    const signing = await openOutput(dingtalk, {
      ...robot,
      url: `${server.url}/robot/send`,
      secret,
    });
    onTestFinished(() => signing[Symbol.asyncDispose]());
    await expect(signing.invoke("create", {}, { data: "{}" })).rejects.toThrow(
      "token is not exist",
    );
    expect(server.received[1]?.url).toMatch(/^\/robot\/send\?timestamp=\d{13}&sign=/);
  });

  test.each([
    [-1, "unavailable", "ambiguous"],
    [300001, "unauthenticated", "rejected"],
    [310000, "permission_denied", "rejected"],
    [400102, "failed_precondition", "rejected"],
    [40035, "invalid_argument", "rejected"],
    [130101, "resource_exhausted", "unsent"],
    [410100, "resource_exhausted", "unsent"],
  ])("errcode %s is %s, with DingTalk's text", async (errcode, reason, effect) => {
    const { server, output } = await serve();
    server.state.verdict = { errcode, errmsg: "words of the vendor" };
    await expect(output.invoke("create", {}, { data: textMessage("x") })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: String(errcode) },
      message: "dingtalk webhook error: send msg failed. words of the vendor",
    });
  });

  test("a wrong secret and a wrong message are refusals by DingTalk's own check", async () => {
    const { output } = await serve({ secret: "other" });
    await expect(output.invoke("create", {}, { data: textMessage("x") })).rejects.toMatchObject({
      ...{ reason: "permission_denied", message: expect.stringContaining("sign not match") },
    });
    const { output: right } = await serve();
    for (const data of [undefined, "no JSON", "{}", '{"msgtype":"text","text":{}}'])
      await expect(
        right.invoke("create", {}, data === undefined ? {} : { data }),
      ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  });

  test.each([
    [400, "invalid_argument", "rejected"],
    [404, "not_found", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [500, "internal", "ambiguous"],
    [503, "unavailable", "ambiguous"],
  ])("status %s is %s", async (status, reason, effect) => {
    const { server, output } = await serve();
    server.state.status = status;
    await expect(output.invoke("create", {}, { data: textMessage("x") })).rejects.toMatchObject({
      ...{ reason, effect, message: `dingtalk webhook error: post failed. status:${status}` },
    });
  });

  test.each(["<html>", "[]", '{"errcode":"0"}', ""])(
    "an answer %j of a proxy is no success",
    async (body) => {
      const { server, output } = await serve();
      server.state.body = body;
      await expect(output.invoke("create", {}, { data: textMessage("x") })).rejects.toMatchObject({
        ...{ reason: "internal", effect: "ambiguous" },
        message: expect.not.stringContaining(accessToken),
      });
    },
  );

  test("a service that is away: unsent", async () => {
    const { output } = await serve({ url: robot.url });
    await expect(output.invoke("create", {}, { data: textMessage("x") })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
    });
  });
});

test.each([
  [{ url: "/test" }, "it must begin with http:// or https://"],
  [{ url: "http://h/\r\nX: y" }, "it has a control character"],
])("the metadata %j are refused", async (properties, message) => {
  const opening = openOutput(dingtalk, { ...robot, ...(properties as Record<string, string>) });
  await expect(opening).rejects.toMatchObject({
    ...{ reason: "invalid_argument", message: expect.stringContaining(message) },
  });
});

describe("outgoing messages", () => {
  async function listen(properties: Record<string, string> = {}) {
    const http = createHttpEndpoints();
    const all = { ...robot, address: "127.0.0.1:0", path: "/ding", appSecret: "app secret" };
    const input = await openInput(dingtalk, { ...all, ...properties }, { http });
    const { endpoint } = input.connection as AsyncDisposable & { endpoint: { port: number } };
    const url = `http://127.0.0.1:${endpoint.port}/ding`;
    const post = (body: string, headers: Record<string, string>): Promise<Response> =>
      fetch(url, { method: "POST", body, headers });
    return { ...input, url, post };
  }

  test("a signed message is an event by its own id, and the app's reply is the answer", async () => {
    const input = await listen();
    const body = outgoingMessage("你好", "msg7");
    const asking = input.post(body, outgoingHeaders("app secret"));
    const event = await input.next();
    expect(Buffer.from(event.data ?? []).toString()).toBe(body);
    expect(event).toMatchObject({ id: "msg7", idIsMadeUp: false });
    expect(event.metadata).toMatchObject({ method: "POST", path: "/ding" });
    expect(event.key).toBeUndefined();
    const reply = textMessage("hello");
    event.settle({ outcome: "handled", reply: { data: Buffer.from(reply) } });
    const answer = await asking;
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.text()).toBe(reply);
  });

  test("without appSecret the robot's own secret is the key", async () => {
    const input = await listen({ appSecret: "", secret });
    const asking = input.post("no JSON", outgoingHeaders(secret));
    const event = await input.next();
    expect(event.idIsMadeUp).toBe(true);
    event.settle({ outcome: "handled" });
    expect((await asking).status).toBe(204);
  });

  test("a returned message is answered 503", async () => {
    const input = await listen();
    const asking = input.post(outgoingMessage("x"), outgoingHeaders("app secret"));
    (await input.next()).settle({ outcome: "returned", reason: "no" });
    const answer = await asking;
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
  });

  test.each([
    ["no signature", {}],
    ["another key", outgoingHeaders("other")],
    ["an old time", outgoingHeaders("app secret", Date.now() - 3_700_000)],
    ["a time to come", outgoingHeaders("app secret", Date.now() + 3_700_000)],
    ["another time", { ...outgoingHeaders("app secret"), timestamp: String(Date.now() - 1000) }],
  ])("%s: 403, and the app is not asked", async (_, headers) => {
    const input = await listen();
    expect((await input.post(outgoingMessage("x"), headers)).status).toBe(403);
    expect(input.events).toEqual([]);
    expect(JSON.stringify(input.logger.warn.mock.calls)).not.toContain("app secret");
  });

  test("another method is 405", async () => {
    const input = await listen();
    expect((await fetch(input.url)).status).toBe(405);
  });

  test("an address without a secret is refused", async () => {
    const http = createHttpEndpoints();
    await expect(
      openInput(dingtalk, { ...robot, address: "127.0.0.1:0" }, { http }),
    ).rejects.toThrow("metadata address requires appSecret or secret");
  });
});

describe("get", () => {
  test("hands the data and the metadata to the component's own input", async () => {
    const properties = { ...robot, direction: "input, output" };
    const { app, invoke, status } = await read({ binding: dingtalk }, { properties });
    await vi.waitFor(() => expect(status().state).toBe("running"));
    const signal = AbortSignal.timeout(5000);
    await vi.waitFor(() => invoke("get", "x", { metadata: { a: "1" }, signal }));
    expect(app.texts).toEqual(["x"]);
    expect(app.deliveries[0]?.metadata).toMatchObject({ a: "1" });
  });

  test("fails where nothing reads, by Dapr's words", async () => {
    const output = await openOutput(dingtalk, robot);
    onTestFinished(() => output[Symbol.asyncDispose]());
    await expect(output.invoke("get", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "rejected" },
      message: "dingtalk webhook error: invalid component metadata.id alerts",
    });
  });

  test("an event that the app does not handle fails the call; one that is late does too", async () => {
    const input = await openInput(dingtalk, robot);
    const operation = dingtalk.operations?.get;
    const call = (signal: AbortSignal): Promise<unknown> =>
      operation?.invoke(input.connection as never, {
        ...{ operation: "get", data: undefined, encoding: "bytes", request: {}, properties: {} },
        ...{ metadata: {} as never, signal },
      }) ?? Promise.reject(new Error("no operation"));
    const asked = call(AbortSignal.timeout(5000));
    (await input.next()).settle({ outcome: "returned", reason: "not now" });
    await expect(asked).rejects.toMatchObject({
      ...{ reason: "aborted", message: "dingtalk webhook error: not now" },
    });
    const caller = new AbortController();
    const late = call(caller.signal);
    const event = await input.next();
    caller.abort();
    await expect(late).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
    expect(event.revoked?.aborted).toBe(true);
  });
});
