import { describe, expect, test } from "vitest";
import { onlyMail, openSmtp } from "./component.ts";
import { parseMail, startMailServer } from "./mail-server.ts";

const long = "x".repeat(64 * 1024);

describe("what could end a header or a command is refused, and nothing is sent", () => {
  const breaks = ["\r\nBcc: eve@example.com", "\nX: y", "\r", "\0", "\r\n.\r\nQUIT"];
  const fields = ["emailFrom", "emailTo", "emailCC", "emailBCC", "subject"];
  test.each(fields.flatMap((field) => breaks.map((text) => [field, text] as const)))(
    "%s with %j",
    async (field, text) => {
      const server = await startMailServer();
      const values = [
        `ann@example.com${text}`,
        `Ann${text} <ann@example.com>`,
        `${text}a@b.example`,
      ];
      const output = await openSmtp(server.port);
      for (const value of values) {
        const refused = { reason: "invalid_argument", effect: "rejected" };
        await expect(output.invoke("create", { [field]: value })).rejects.toMatchObject(refused);
        const own = await openSmtp(server.port, { [field]: value });
        await expect(own.invoke("create")).rejects.toMatchObject(refused);
      }
      expect(server.connections()).toBe(0);
    },
  );

  test.each([
    ...["a", "@example.com", "a@", "a b@example.com", "a@b@example.com", "<a@example.com", "a@ex>"],
    ...["a@example.com, b@example.com", "a@example.com b@example.com", "Ann, Bob <a@example.com>"],
    ...["a@example.com <b@example.com>", '"a@example.com', `${long}@example.com`, "a@-\u2028.com"],
    ...['"a@evil.example"@example.com', "a@example.com> SIZE=1", "a@xn--\ud800.example"],
  ])("the address %.60j", async (address) => {
    const server = await startMailServer();
    const output = await openSmtp(server.port);
    for (const field of ["emailFrom", "emailTo", "emailCC", "emailBCC"]) {
      const error: unknown = await output
        .invoke("create", { [field]: address })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
      expect(String(error).length).toBeLessThan(400);
    }
    expect(server.connections()).toBe(0);
  });
});

test("odd texts arrive as texts", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port);
  const odd = `it's "odd" \\ ../../etc <b>; =?UTF-8?Q?x?= ü ${"long ".repeat(2000)}`.trimEnd();
  await output.invoke("create", {
    subject: odd,
    emailFrom: `"Q \\"uote\\" ../, (x)" <shop@example.com>`,
    emailTo: "ann@EXAMPLE.com;bob@bücher.example;carl@[127.0.0.1]",
  });
  const mail = onlyMail(server);
  expect(mail.names.toSorted()).toEqual([
    ...["Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID"],
    ...["Subject", "To", "X-Priority"],
  ]);
  expect(decoded(mail.header("subject") ?? "")).toBe(odd);
  expect(server.received[0]?.from).toBe("shop@example.com");
  expect(server.received[0]?.to.map((one) => one.toLowerCase())).toEqual([
    ...["ann@example.com", "bob@bücher.example", "carl@[127.0.0.1]"],
  ]);
  const raw = server.received[0]?.raw.toString("latin1") ?? "";
  expect(Math.max(...raw.split("\r\n").map(({ length }) => length))).toBeLessThanOrEqual(998);
});

test("letters beyond ASCII before the @ need a server that takes them", async () => {
  const server = await startMailServer({ hideSMTPUTF8: true });
  const output = await openSmtp(server.port);
  await expect(output.invoke("create", { emailTo: "jörg@example.com" })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
    message: expect.stringContaining("SMTPUTF8"),
  });
  expect(server.received).toEqual([]);
  // A domain's can be written without; the server of the test reads them back.
  await output.invoke("create", { emailTo: "bob@bücher.example" });
  expect(server.received[0]?.to).toEqual(["bob@bücher.example"]);
  const other = await startMailServer();
  await (await openSmtp(other.port)).invoke("create", { emailTo: "jörg@example.com" });
  expect(other.received[0]?.to).toEqual(["jörg@example.com"]);
});

test.each([
  ["emailFrom", "emailFrom property not supplied in configuration- or request-metadata"],
  ["emailTo", "emailTo property not supplied in configuration- or request-metadata"],
  ["subject", "subject property not supplied in configuration- or request-metadata"],
])("without %s nothing is sent, in Dapr's words", async (field, text) => {
  const server = await startMailServer();
  const output = await openSmtp(server.port, { [field]: "" });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ message: `smtp binding error: ${text}`, reason: "invalid_argument", effect: "rejected" },
  });
  await output.invoke("create", { [field]: "own@example.com" }, { data: "x" });
  expect(server.received).toHaveLength(1);
});

test.each([["0"], ["6"], ["1.5"], ["high"], [" 1"], ["1\r\nX: y"], [long]])(
  "the priority %.20j",
  async (priority) => {
    const output = await openSmtp(1);
    await expect(output.invoke("create", { priority })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: "smtp binding error: priority value must be between 1 (highest) and 5 (lowest)",
    });
  },
);

const attached = (attachment: object) => ({ attachments: [attachment] });

test.each([
  ["", "no JSON"],
  ["<b>", "no JSON"],
  ["null", "must be a JSON object"],
  ["[]", "must be a JSON object"],
  ["{}", "neither html, text nor attachments"],
  ['{"html":5}', "html is no text"],
  ['{"text":["x"]}', "text is no text"],
  ['{"html":"x","emailTo":"a@b.example"}', '"emailTo" is not known'],
  ['{"html":"x","attachments":{}}', "attachments is no array"],
  ['{"html":"x","headers":[]}', "headers must be a JSON object"],
  ['{"html":"x","headers":{"X":5}}', "X is no text"],
  ['{"html":"x","headers":{"__proto__":"x"}}', "headers: a name has other characters"],
  ['{"__proto__":{"path":"/etc/passwd"},"html":"x"}', "is not known"],
  ...["X: y", "X\r\nY", "", "Ä", "x".repeat(77)].map((name) => [
    JSON.stringify({ html: "x", headers: { [name]: "v" } }),
    "headers: a name has other characters",
  ]),
  ...["To", "bcc", "Content-Type", "DKIM-Signature", "Resent-To", "Date"].map((name) => [
    JSON.stringify({ html: "x", headers: { [name]: "v" } }),
    "cannot be set here",
  ]),
  ...["a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\0b"].map((value) => [
    JSON.stringify({ html: "x", headers: { "X-A": value } }),
    "X-A is no text, or has a line break",
  ]),
  ...["a\r\nb", "a\0b", "\x7f"].map((name) => [
    JSON.stringify(attached({ name, data: "" })),
    "attachments[0].name has a line break",
  ]),
  ...["text", "text/plain\r\nX: y", 'a/b; name="x"', "multipart/mixed", "message/rfc822", long].map(
    (contentType) => [
      JSON.stringify(attached({ contentType, data: "" })),
      "attachments[0].contentType is no type",
    ],
  ),
  ...["<a>", "a b", "a\r\nb", "", long].map((contentId) => [
    JSON.stringify(attached({ contentId, data: "" })),
    "attachments[0].contentId has other characters",
  ]),
  ...["a", "a b=", "YQ==YQ==", "ä", "YR==", "-_-_"].map((data) => [
    JSON.stringify(attached({ data })),
    "attachments[0].data is no base64",
  ]),
  [JSON.stringify(attached({ name: "x" })), "attachments[0].data is missing"],
  [JSON.stringify({ attachments: ["x"] }), "attachments[0] must be a JSON object"],
])("the payload %.80s: %s", async (data, problem) => {
  const server = await startMailServer();
  const output = await openSmtp(server.port);
  const error: unknown = await output
    .invoke("send", {}, { data })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  expect(String(error)).toContain(problem);
  expect(String(error).length).toBeLessThan(300);
  expect(server.connections()).toBe(0);
});

test("odd names and long headers of a payload stay in their place", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port);
  const name = `../"odd"; name=x\\ ü ${"y".repeat(300)}.txt`;
  const headers = { "X-Long": long, "Reply-To": `"a\\" <b@example.com>, c" <d@example.com>` };
  const data = JSON.stringify({ text: "x", headers, attachments: [{ name, data: "YQ==" }] });
  await output.invoke("send", {}, { data });
  const mail = onlyMail(server);
  expect(mail.header("x-long")?.replaceAll(" ", "")).toBe(long);
  expect(mail.names).not.toContain("Bcc");
  expect(mail.parts).toHaveLength(2);
  expect(mail.parts[1]?.names.toSorted()).toEqual([
    ...["Content-Disposition", "Content-Transfer-Encoding", "Content-Type"],
  ]);
  expect(mail.parts[1]?.body.toString()).toBe("a");
});

test("after all of that, mails are sent", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port);
  await output.invoke("create", { emailTo: "no address" }).catch(() => undefined);
  await output.invoke("create", {}, { data: "well" });
  expect(parseMail(server.received[0]?.raw ?? Buffer.alloc(0)).body.toString()).toContain("well");
});

/** A header's encoded words as the text that they stand for. */
function decoded(value: string): string {
  return value
    .replaceAll(/\?=\s+=\?/g, "?==?")
    .replaceAll(/(?:=\?UTF-8\?[QB]\?[^?]*\?=)+/gi, (words) =>
      Buffer.concat(
        [...words.matchAll(/=\?UTF-8\?([QB])\?([^?]*)\?=/gi)].map(([, kind, text = ""]) =>
          kind?.toUpperCase() === "B"
            ? Buffer.from(text, "base64")
            : Buffer.from(
                text
                  .replaceAll("_", " ")
                  .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) =>
                    String.fromCharCode(parseInt(hex, 16)),
                  ),
                "latin1",
              ),
        ),
      ).toString(),
    );
}
