import { describe, expect, onTestFinished, test } from "vitest";
import sendgrid from "../../../src/bindings/twilio.sendgrid/index.ts";
import { apiKey, startSendgrid } from "../../servers/sendgrid.ts";
import { openOutput } from "../opened-output.ts";

const mail = { emailFrom: "shop@example.com", emailTo: "ann@example.com", subject: "Your order" };

async function serve(properties: Record<string, string> = mail) {
  const server = await startSendgrid();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(sendgrid, { apiKey, apiUrl: server.url, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

test("create sends a mail to the component's recipient, and answers nothing", async () => {
  const { server, output } = await serve();
  expect(await output.invoke("create", {}, { data: "<b>Grüße</b>" })).toBeUndefined();
  expect(server.mails).toEqual([
    {
      from: { email: "shop@example.com" },
      personalizations: [{ to: [{ email: "ann@example.com" }], subject: "Your order" }],
      content: [{ type: "text/html", value: "<b>Grüße</b>" }],
    },
  ]);
});

test("all fields of the component", async () => {
  const { server, output } = await serve({
    ...mail,
    ...{ emailFromName: "The Shop", emailToName: "Ann", emailCc: "cc@example.com" },
    ...{ emailBcc: "bcc@example.com", dynamicTemplateId: "d-1" },
    dynamicTemplateData: '{"name": {"first": "Ann"}}',
  });
  await output.invoke("create", {}, { data: "x" });
  expect(server.mails).toEqual([
    {
      from: { email: "shop@example.com", name: "The Shop" },
      personalizations: [
        {
          to: [{ email: "ann@example.com", name: "Ann" }],
          ...{ cc: [{ email: "cc@example.com" }], bcc: [{ email: "bcc@example.com" }] },
          ...{ subject: "Your order", dynamic_template_data: { name: { first: "Ann" } } },
        },
      ],
      content: [{ type: "text/html", value: "x" }],
      template_id: "d-1",
    },
  ]);
});

test("what a call says counts for that call; an address of its own has not the component's name", async () => {
  const { server, output } = await serve({
    ...mail,
    ...{ emailFromName: "The Shop", emailToName: "Ann", emailCc: "cc@example.com" },
    ...{ dynamicTemplateId: "d-1", dynamicTemplateData: '{"a": 1}' },
  });
  const own = {
    ...{ emailFrom: "b@example.com", emailTo: "bob@example.com", emailToName: "Bob" },
    ...{ subject: "Hello", emailCc: "c@example.com", emailBcc: "d@example.com" },
    ...{ dynamicTemplateId: "d-2", dynamicTemplateData: '{"b": 2}' },
  };
  await output.invoke("create", own, { data: "x" });
  // Names are looked for as they are written, and an empty text is none.
  const none = { emailto: "eve@example.com", emailFromName: "Eve", subject: "" };
  await output.invoke("create", none, { data: "x" });
  expect(server.mails).toMatchObject([
    {
      from: { email: "b@example.com" },
      personalizations: [
        {
          to: [{ email: "bob@example.com", name: "Bob" }],
          ...{ cc: [{ email: "c@example.com" }], bcc: [{ email: "d@example.com" }] },
          ...{ subject: "Hello", dynamic_template_data: { b: 2 } },
        },
      ],
      template_id: "d-2",
    },
    {
      from: { email: "shop@example.com", name: "The Shop" },
      personalizations: [
        {
          ...{ to: [{ email: "ann@example.com", name: "Ann" }], subject: "Your order" },
          ...{ cc: [{ email: "cc@example.com" }], dynamic_template_data: { a: 1 } },
        },
      ],
      template_id: "d-1",
    },
  ]);
  expect(server.mails[0]?.from).toEqual({ email: "b@example.com" });
});

describe("the HTML", () => {
  test.each([
    ["bytes", "<p>1</p>", "<p>1</p>"],
    ["bytes", '"<p>\\"1\\"\\n</p>"', '<p>"1"\n</p>'],
    ["bytes", "`<p>\\n</p>`", "<p>\\n</p>"],
    ["bytes", '"a\\/\\ud83d\\ude00"', "a/😀"],
    ["bytes", '{"a": 1}', '{"a": 1}'],
    ["bytes", "null", "null"],
    ["json", '"<p>1</p>"', "<p>1</p>"],
    ["json", '"null"', "null"],
    ["json", "5.0", "5.0"],
  ] as const)("of %s %s is %j", async (encoding, data, value) => {
    const { server, output } = await serve();
    await output.invoke("create", {}, { data, encoding });
    expect(server.mails[0]?.content).toEqual([{ type: "text/html", value }]);
  });

  test.each([
    ["none", {}],
    ["null over HTTP", { data: "null", encoding: "json" }],
  ] as const)("%s: the template is the mail", async (_, options) => {
    const { server, output } = await serve({ ...mail, dynamicTemplateId: "d-1" });
    await output.invoke("create", {}, options);
    expect(server.mails[0]?.content).toBeUndefined();
    await expect((await serve()).output.invoke("create", {}, options)).rejects.toMatchObject({
      reason: "invalid_argument",
      message:
        "error from SendGrid: sending email failed: 400 {Errors:[{Field:content.0.value " +
        "Message:The content value must be a string at least one character in length. Help:<nil>}]}",
    });
  });
});

describe("refused before it is sent", () => {
  const json = "error from SendGrid binding, dynamic template data is not valid JSON: ";
  test.each<[string, Record<string, string>, string]>([
    ["no sender", { emailFrom: "" }, "error SendGrid from email not supplied"],
    ["no recipient", { emailTo: "" }, "error SendGrid to email not supplied"],
    ["no subject", { subject: "" }, "error SendGrid subject not supplied"],
  ])("%s", async (_, properties, message) => {
    const { server, output } = await serve({ ...mail, ...properties });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", message },
    });
    expect(server.received).toEqual([]);
  });

  test.each<[Record<string, string>, string | RegExp]>([
    [{ dynamicTemplateData: '{"wrong"}' }, json],
    [{ dynamicTemplateData: "[1]" }, `${json}it is no object`],
    [{ subject: "a\r\nBcc: eve@example.com" }, "error SendGrid subject has a line break"],
    [{ emailTo: "a@example.com\n" }, "error SendGrid emailTo has a line break"],
    [{ emailFrom: "a@example.com", emailFromName: "\0" }, "error SendGrid emailFromName has"],
  ])("%j", async (request, message) => {
    const { server, output } = await serve();
    const call = output.invoke("create", request, { data: "x" });
    await expect(call).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    await expect(call).rejects.toThrow(message);
    expect(server.received).toEqual([]);
  });

  test("data that are no UTF-8", async () => {
    const { server, output } = await serve();
    const call = output.invoke("create", {}, { data: new Uint8Array([0xff]) });
    await expect(call).rejects.toThrow("data are no UTF-8");
    expect(server.received).toEqual([]);
  });
});

test.each([
  ["dynamicTemplateData", "{", "dynamic template data is not valid JSON"],
  ["apiUrl", "ftp://example.com", 'unsupported protocol scheme "ftp"'],
  ["apiUrl", "https://example.com/?a=b", "apiUrl must have no query and no fragment"],
])("a component whose %s is %s does not open, and check says so", async (name, value, message) => {
  const properties = { apiKey, [name]: value };
  await expect(openOutput(sendgrid, properties)).rejects.toThrow(message);
  const metadata = { apiUrl: "https://example.com", ...properties } as never;
  const found = await sendgrid.check?.(metadata, { input: false, output: true });
  expect(found).toEqual([expect.stringContaining(message)]);
});

describe("what goes wrong", () => {
  test("a key that is none", async () => {
    const { output } = await serve({ ...mail, apiKey: "SG.another" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected", systemCode: "401" },
      message:
        "error from SendGrid: sending email failed: 401 {Errors:[{Field:<nil> Message:The provided " +
        "authorization grant is invalid, expired, or revoked Help:<nil>}]}",
    });
  });

  test.each([
    [400, "invalid_argument", "rejected"],
    [403, "permission_denied", "rejected"],
    [413, "resource_exhausted", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [500, "internal", "ambiguous"],
    [503, "unavailable", "ambiguous"],
  ])("%s", async (status, reason, effect) => {
    const { server, output } = await serve();
    Object.assign(server.state, { status, body: "<html>" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: String(status) },
      message: `error from SendGrid: sending email failed: ${status} {Errors:[]}`,
    });
    expect(server.received).toHaveLength(1);
  });

  test("the rate limit says when it begins anew", async () => {
    const { server, output } = await serve();
    const reset = Math.floor(Date.now() / 1000) + 60;
    const headers = { "x-ratelimit-reset": String(reset) };
    Object.assign(server.state, { status: 429, headers });
    const thrown: unknown = await output.invoke("create", {}, { data: "x" }).catch((e) => e);
    const { retryAfter } = thrown as { retryAfter: number };
    expect(retryAfter).toBeGreaterThan(50_000);
    expect(retryAfter).toBeLessThanOrEqual(60_000);
  });

  test("a redirect is not followed: it would show the key", async () => {
    const { server, output } = await serve();
    const other = await startSendgrid();
    onTestFinished(() => other[Symbol.asyncDispose]());
    const headers = { location: `${other.url}/v3/mail/send` };
    Object.assign(server.state, { status: 307, headers });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      message: expect.stringMatching(/^error from SendGrid: .* leads to another origin/),
    });
    expect(other.received).toEqual([]);
  });

  test("nobody there: nothing was sent", async () => {
    const { output } = await serve({ ...mail, apiUrl: "http://127.0.0.1:1" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
      message: expect.stringMatching(/^error from SendGrid: sending email failed: Post /),
    });
  });
});
