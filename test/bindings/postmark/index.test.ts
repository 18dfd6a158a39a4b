import { describe, expect, onTestFinished, test } from "vitest";
import postmark from "../../../src/bindings/postmark/index.ts";
import { serverToken, startPostmark } from "../../servers/postmark.ts";
import { openOutput } from "../opened-output.ts";

const mail = { emailFrom: "shop@example.com", emailTo: "ann@example.com", subject: "Your order" };

async function serve(properties: Record<string, string> = mail) {
  const server = await startPostmark();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(postmark, { serverToken, apiUrl: server.url, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

test("create sends a mail with the server's token alone, and answers nothing", async () => {
  const { server, output } = await serve({ ...mail, accountToken: "the account's" });
  expect(await output.invoke("create", {}, { data: "<b>Grüße</b>" })).toBeUndefined();
  expect(server.mails).toEqual([
    {
      ...{ From: "shop@example.com", To: "ann@example.com", Subject: "Your order" },
      HtmlBody: "<b>Grüße</b>",
    },
  ]);
  expect(JSON.stringify(server.received[0]?.rawHeaders)).not.toContain("the account's");
});

test("what a call says counts for that call", async () => {
  const { server, output } = await serve({
    ...{ ...mail, emailCc: "cc@example.com", emailBcc: "bcc@example.com" },
  });
  const own = {
    ...{ emailFrom: "The Shop <b@example.com>", emailTo: "bob@example.com, eve@example.com" },
    ...{ subject: "Hello", emailCc: "c@example.com", emailBcc: "d@example.com" },
  };
  await output.invoke("create", own, { data: "x" });
  // Names are looked for as they are written, and an empty text is none.
  await output.invoke("create", { emailto: "eve@example.com", subject: "" }, { data: "x" });
  expect(server.mails).toEqual([
    {
      ...{ From: "The Shop <b@example.com>", To: "bob@example.com, eve@example.com" },
      ...{ Subject: "Hello", Cc: "c@example.com", Bcc: "d@example.com", HtmlBody: "x" },
    },
    {
      ...{ From: "shop@example.com", To: "ann@example.com", Subject: "Your order" },
      ...{ Cc: "cc@example.com", Bcc: "bcc@example.com", HtmlBody: "x" },
    },
  ]);
});

describe("the HTML", () => {
  test.each([
    ["bytes", "<p>1</p>", "<p>1</p>"],
    ["bytes", '"<p>\\"1\\"\\n</p>"', '<p>"1"\n</p>'],
    ["bytes", '"a\\/\\ud83d\\ude00"', "a/😀"],
    ["bytes", '{"a": 1}', '{"a": 1}'],
    ["json", '"<p>1</p>"', "<p>1</p>"],
    ["json", "5.0", "5.0"],
  ] as const)("of %s %s is %j", async (encoding, data, HtmlBody) => {
    const { server, output } = await serve();
    await output.invoke("create", {}, { data, encoding });
    expect(server.mails).toMatchObject([{ HtmlBody }]);
  });

  test.each([
    ["none", {}],
    ["null over HTTP", { data: "null", encoding: "json" }],
  ] as const)("%s: Postmark sends no empty mail", async (_, options) => {
    const { output } = await serve();
    await expect(output.invoke("create", {}, options)).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", systemCode: "300" },
      message:
        "error from Postmark, sending email failed: Provide either email TextBody or HtmlBody or both.",
    });
  });
});

describe("refused before it is sent", () => {
  test.each<[Record<string, string>, string]>([
    [{ emailFrom: "" }, "error Postmark from email not supplied"],
    [{ emailTo: "" }, "error Postmark to email not supplied"],
    [{ subject: "" }, "error Postmark subject not supplied"],
    [
      { subject: "a\r\nBcc: eve@example.com" },
      "error Postmark subject has a line break or another control character",
    ],
    [
      { emailTo: "a@example.com\0" },
      "error Postmark emailTo has a line break or another control character",
    ],
  ])("%j", async (properties, message) => {
    const { server, output } = await serve({ ...mail, ...properties });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", message },
    });
    expect(server.received).toEqual([]);
  });

  test("data that are no UTF-8", async () => {
    const { server, output } = await serve();
    const call = output.invoke("create", {}, { data: new Uint8Array([0xff]) });
    await expect(call).rejects.toThrow("error Postmark data are no UTF-8");
    expect(server.received).toEqual([]);
  });
});

test.each([
  ["ftp://example.com", 'unsupported protocol scheme "ftp"'],
  ["https://example.com/#a", "apiUrl must have no query and no fragment"],
])("a component whose apiUrl is %s does not open, and check says so", async (apiUrl, message) => {
  await expect(openOutput(postmark, { serverToken, apiUrl })).rejects.toThrow(message);
  const metadata = { apiUrl } as never;
  const found = await postmark.check?.(metadata, { input: false, output: true });
  expect(found).toEqual([expect.stringContaining(message)]);
});

describe("what goes wrong", () => {
  test.each<[Record<string, string>, string, string, string]>([
    [
      { serverToken: "another" },
      ...["10", "unauthenticated", "Request does not contain a valid Server token."],
    ] as never,
    [{ emailFrom: "stranger@example.com" }, "400", "permission_denied", "The 'From' address"],
    [{ emailTo: "inactive@example.com" }, "406", "failed_precondition", "You tried to send to"],
    [{ emailTo: "nobody" }, "300", "invalid_argument", "Invalid 'To' value."],
  ])("%j: %s, %s", async (properties, systemCode, reason, words) => {
    const { output } = await serve({ ...mail, ...properties });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason, effect: "rejected", systemCode },
      message: expect.stringContaining(`error from Postmark, sending email failed: ${words}`),
    });
  });

  const said = (ErrorCode: number): string => JSON.stringify({ ErrorCode, Message: "words" });
  test.each([
    [200, said(405), "resource_exhausted", "rejected", "405", "405 words"],
    [200, said(999), "invalid_argument", "rejected", "999", "999 words"],
    [403, "<html>", "permission_denied", "rejected", "403", "HTTP status 403"],
    [422, said(429), "resource_exhausted", "unsent", "429", "words"],
    [429, "", "resource_exhausted", "unsent", "429", "HTTP status 429"],
    [500, said(0), "internal", "ambiguous", "500", "words"],
    [503, said(100), "unavailable", "unsent", "100", "words"],
    [503, "", "unavailable", "ambiguous", "503", "HTTP status 503"],
  ])("%s %s: %s, %s", async (status, body, reason, effect, systemCode, words) => {
    const { server, output } = await serve();
    Object.assign(server.state, { status, body });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason, effect, systemCode },
      message: `error from Postmark, sending email failed: ${words}`,
    });
    expect(server.received).toHaveLength(1);
  });

  test("nobody there: nothing was sent", async () => {
    const { output } = await serve({ ...mail, apiUrl: "http://127.0.0.1:1" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
      message: expect.stringMatching(/^error from Postmark, sending email failed: Post /),
    });
  });
});
