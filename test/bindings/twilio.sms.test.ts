import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import twilio from "../../src/bindings/twilio.sms.ts";
import { openOutput } from "./opened-output.ts";
import type { OpenedOutput } from "./opened-output.ts";

type Received = Pick<IncomingMessage, "method" | "url" | "headers"> & { form: URLSearchParams };

let received: Received[];
let respond: (response: ServerResponse) => void;
let server: ReturnType<typeof createServer>;
let apiUrl: string;
const outputs: OpenedOutput[] = [];

beforeEach(async () => {
  received = [];
  respond = (response) => response.writeHead(201).end('{"sid":"SM1"}');
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { method, url, headers } = request;
      received.push({ method, url, headers, form: new URLSearchParams(body) });
      respond(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const output of outputs.splice(0)) await output[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function open(properties: Record<string, string> = {}): Promise<OpenedOutput> {
  const output = await openOutput(twilio, {
    accountSid: "AC/1",
    authToken: "s3cret-token",
    fromNumber: "+1555",
    apiUrl,
    ...properties,
  });
  outputs.push(output);
  return output;
}

test("sends a form to the account's messages", async () => {
  const output = await open();
  expect(
    await output.invoke("create", { toNumber: "+49 1" }, { data: "Grüße & mehr" }),
  ).toBeUndefined();
  const [one] = received;
  expect(one).toMatchObject({
    method: "POST",
    url: "/2010-04-01/Accounts/AC%2F1/Messages.json",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      authorization: `Basic ${Buffer.from("AC/1:s3cret-token").toString("base64")}`,
    },
  });
  expect(Object.fromEntries(one?.form ?? [])).toEqual({
    To: "+49 1",
    From: "+1555",
    Body: "Grüße & mehr",
  });
});

test("the component's toNumber wins; without any nothing is sent", async () => {
  await (await open({ toNumber: "+1" })).invoke("create", { toNumber: "+2" });
  await (await open()).invoke("create", { toNumber: "+2" });
  expect(received.map(({ form }) => form.get("To"))).toEqual(["+1", "+2"]);
  const output = await open({ toNumber: "" });
  for (const metadata of [{}, { tonumber: "+3" }]) {
    await expect(output.invoke("create", metadata as Record<string, string>)).rejects.toMatchObject(
      {
        message: 'twilio missing "toNumber" field',
        reason: "invalid_argument",
        effect: "rejected",
      },
    );
  }
  expect(received).toHaveLength(2);
});

describe("the text", () => {
  test.each([
    ["bytes", "hello", "hello"],
    ["bytes", '"he said \\"hi\\"\\n"', 'he said "hi"\n'],
    ["bytes", '"open', '"open'],
    ["bytes", '{"a": 1}', '{"a": 1}'],
    ["bytes", "1e3", "1e3"],
    ["bytes", "null", "null"],
    ["json", '"hello"', "hello"],
    ["json", "null", ""],
    ["json", "5.0", "5.0"],
    ["json", "true", "true"],
  ] as const)("of %s %s is %j", async (encoding, data, body) => {
    await (await open({ toNumber: "+1" })).invoke("create", {}, { data, encoding });
    expect(received[0]?.form.get("Body")).toBe(body);
  });
});

describe("what goes wrong", () => {
  test.each([
    [
      400,
      '{"code":21211,"message":"Invalid To"}',
      "invalid_argument",
      "rejected",
      "21211",
      "Bad Request: Invalid To",
    ],
    [401, "", "unauthenticated", "rejected", "401", "Unauthorized"],
    [404, "<html>", "not_found", "rejected", "404", "Not Found"],
    [429, '{"code":20429}', "resource_exhausted", "unsent", "20429", "Too Many Requests"],
    [500, "", "internal", "ambiguous", "500", "Internal Server Error"],
    [503, "", "unavailable", "ambiguous", "503", "Service Unavailable"],
  ])("%s", async (status, body, reason, effect, systemCode, words) => {
    respond = (response) => response.writeHead(status, { "retry-after": "3" }).end(body);
    const error: unknown = await (
      await open({ toNumber: "+1" })
    )
      .invoke("create", {}, { data: "x" })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      message: `error from Twilio (${status}): ${status} ${words}`,
      reason,
      effect,
      systemCode,
      retryAfter: 3000,
    });
    expect(String(error)).not.toContain("s3cret");
    expect(received).toHaveLength(1);
  });

  test("no connection: nothing was sent", async () => {
    const output = await open({ toNumber: "+1", apiUrl: "http://127.0.0.1:1" });
    await expect(output.invoke("create")).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: "ECONNREFUSED",
    });
  });

  test("a connection that breaks: it may have been sent", async () => {
    respond = (response) => void response.destroy();
    const output = await open({ toNumber: "+1" });
    await expect(output.invoke("create")).rejects.toMatchObject({
      reason: "unavailable",
      effect: "ambiguous",
    });
  });

  test("timeout", async () => {
    respond = () => {};
    const output = await open({ toNumber: "+1", timeout: "100ms" });
    await expect(output.invoke("create")).rejects.toMatchObject({
      reason: "deadline_exceeded",
      effect: "ambiguous",
    });
  });

  test("a caller that cancels", async () => {
    const gone = new AbortController();
    respond = () => gone.abort();
    const output = await open({ toNumber: "+1" });
    await expect(output.invoke("create", {}, { signal: gone.signal })).rejects.toMatchObject({
      reason: "cancelled",
      effect: "ambiguous",
    });
  });

  test.each(["ftp://x", "https://host/path", "nothing"])("the apiUrl %s", async (wrong) => {
    await expect(open({ apiUrl: wrong })).rejects.toThrow("apiUrl must be");
  });
});
