import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { allBytes } from "../opened-output.ts";
import { onlyMail, openSmtp } from "./component.ts";
import { parseMail, startMailServer } from "./mail-server.ts";

test("create sends the data as one HTML mail", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port, {
    emailFrom: "The Shop <shop@example.com>",
    emailTo: 'ann@example.com; "Müller, Bob" <bob@example.com>;',
    emailCC: "carl@example.com",
    emailBCC: "dora@example.com;ann@example.com",
    subject: "Grüße",
  });
  const html = `<h1>Grüße</h1>\n<p>${"long ".repeat(40)}</p>`;
  expect(await output.invoke("create", {}, { data: html })).toBeUndefined();
  const mail = onlyMail(server);
  expect(server.received[0]).toMatchObject({
    from: "shop@example.com",
    to: ["ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"],
    greeting: "localhost",
    secure: false,
    user: undefined,
  });
  expect(mail.header("content-type")).toBe("text/html; charset=utf-8");
  expect(mail.header("content-transfer-encoding")).toBe("quoted-printable");
  expect(mail.body.toString().trimEnd()).toBe(html.replaceAll("\n", "\r\n"));
  expect(mail.header("from")).toBe("The Shop <shop@example.com>");
  expect(mail.header("to")).toMatch(/^ann@example\.com, =\?UTF-8\?Q\?.*\?= <bob@example\.com>$/);
  expect(mail.header("cc")).toBe("carl@example.com");
  expect(mail.header("subject")).toBe("=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=");
  expect(mail.header("x-priority")).toBe("3");
  expect(mail.header("mime-version")).toBe("1.0");
  expect(Date.parse(mail.header("date") ?? "")).toBeGreaterThan(Date.now() - 60_000);
  expect(server.received[0]?.raw.toString()).not.toContain("dora");
});

test("a call's own fields stand in for the component's, in that call alone", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port, { emailCC: "carl@example.com", priority: "2" });
  const own = {
    emailFrom: "other@example.com",
    emailTo: "eve@example.com",
    emailCC: "fred@example.com",
    emailBCC: "gina@example.com",
    subject: "Own",
    priority: "5",
  };
  await output.invoke("create", own, { data: "x" });
  await output.invoke("create", { emailTo: "", subject: "" }, { data: "x" });
  await output.invoke("create", { priority: "", emailto: "not@read.example" }, { data: "x" });
  expect(server.received.map(({ from, to }) => [from, ...to])).toEqual([
    ["other@example.com", "eve@example.com", "fred@example.com", "gina@example.com"],
    ["shop@example.com", "ann@example.com", "carl@example.com"],
    ["shop@example.com", "ann@example.com", "carl@example.com"],
  ]);
  const mails = server.received.map(({ raw }) => parseMail(raw));
  expect(mails.map(({ header }) => header("subject"))).toEqual(["Own", "Hello", "Hello"]);
  expect(mails.map(({ header }) => header("x-priority"))).toEqual(["5", "2", "3"]);
});

test.each([
  ["bytes", "<b>hello</b>", "<b>hello</b>"],
  ["bytes", '"<b>\\"hi\\"</b>\\n"', '<b>"hi"</b>\r\n'],
  ["bytes", "`<b>raw</b>`", "<b>raw</b>"],
  ["bytes", '"open', '"open'],
  ["bytes", '{"a":1}', '{"a":1}'],
  ["bytes", "null", "null"],
  ["bytes", "", ""],
  ["json", '"<b>\\/\\ud83d\\ude00</b>"', "<b>/😀</b>"],
  ["json", '{"a": 1}', '{"a": 1}'],
  ["json", "null", "null"],
  ["bytes", ".\r\n.\r\nQUIT", ".\r\n.\r\nQUIT"],
] as const)("the HTML of %s %j", async (encoding, data, html) => {
  const server = await startMailServer();
  await (await openSmtp(server.port)).invoke("create", {}, { data, encoding });
  const mail = onlyMail(server);
  expect(mail.header("content-type")).toBe("text/html; charset=utf-8");
  expect(mail.body.toString().trimEnd()).toBe(html.trimEnd());
});

test("send: text, HTML, headers and attachments of any bytes", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port, { emailBCC: "dora@example.com" });
  const attachments = [
    { name: 'every "byte" ü.bin', data: Buffer.from(allBytes).toString("base64") },
    {
      name: "lines.txt",
      contentType: "text/plain",
      data: Buffer.from("a\nb\r\nc").toString("base64"),
    },
    { contentType: "image/png", contentId: "logo@shop", data: "AAEC" },
  ];
  const payload = {
    text: "Hello",
    html: '<img src="cid:logo@shop">',
    headers: { "Reply-To": "help@example.com", "X-Order": "Nr. 42 ü" },
    attachments,
  };
  const answer = await output.invoke("send", { subject: "All" }, { data: JSON.stringify(payload) });
  const mail = onlyMail(server);
  expect(answer).toEqual({ metadata: { messageId: mail.header("message-id") } });
  expect(server.received[0]?.to).toEqual(["ann@example.com", "dora@example.com"]);
  expect(mail.header("subject")).toBe("All");
  expect(mail.header("reply-to")).toBe("help@example.com");
  expect(mail.header("x-order")).toMatch(/^=\?UTF-8\?Q\?/);
  const all = (part: typeof mail): (typeof mail)[] => [part, ...part.parts.flatMap(all)];
  const leaves = all(mail).filter(({ parts }) => parts.length === 0);
  const types = leaves.map(({ header }) => header("content-type")?.split(";")[0]);
  expect(types).toEqual([
    ...["text/plain", "text/html", "image/png"],
    ...["application/octet-stream", "text/plain"],
  ]);
  expect(leaves[2]?.header("content-id")).toBe("<logo@shop>");
  expect([...(leaves[3]?.body ?? [])]).toEqual([...allBytes]);
  expect(leaves[4]?.body.toString()).toBe("a\nb\r\nc");
});

test("the driver reads no file and fetches nothing, whatever a payload names", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port);
  for (const member of ["path", "href", "raw", "content"])
    await expect(
      output.invoke(
        "send",
        {},
        { data: JSON.stringify({ attachments: [{ [member]: "/etc/passwd" }] }) },
      ),
    ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  // As an object it would name a file to the driver.
  await expect(
    output.invoke("send", {}, { data: '{"html":{"path":"/etc/passwd"}}' }),
  ).rejects.toMatchObject({ reason: "invalid_argument" });
  await output.invoke(
    "create",
    {},
    { data: '{"path":"/etc/passwd","href":"http://127.0.0.1:1/"}' },
  );
  expect(onlyMail(server).body.toString()).toContain("/etc/passwd");
  expect(server.connections()).toBe(1);
});

test("a mail of 8 MiB arrives whole", async () => {
  const server = await startMailServer();
  const bytes = Buffer.alloc(8 * 1024 * 1024, allBytes);
  const data = JSON.stringify({ attachments: [{ data: bytes.toString("base64") }] });
  await (await openSmtp(server.port)).invoke("send", {}, { data });
  expect(onlyMail(server).body.equals(bytes)).toBe(true);
});

test("no more mails at one time than maxConnections; others wait, and each arrives once", async () => {
  let [now, most] = [0, 0];
  const texts: string[] = [];
  const three = Promise.withResolvers<void>();
  const server = await startMailServer({
    onMailFrom(_address, _session, done) {
      most = Math.max(most, ++now);
      if (now === 3) three.resolve();
      done();
    },
    onData(stream, _session, done) {
      // No mail ends before as many as may be under way are.
      void Promise.all([buffer(stream), three.promise]).then(([raw]) => {
        texts.push(parseMail(raw).body.toString().trimEnd());
        // Before the answer, with which the client's turn ends.
        now--;
        done();
      });
    },
  });
  const output = await openSmtp(server.port, { maxConnections: "3" });
  const expected = Array.from({ length: 20 }, (_, n) => `mail ${n}`);
  await Promise.all(expected.map((data) => output.invoke("create", {}, { data })));
  expect(texts.toSorted()).toEqual(expected.toSorted());
  expect(most).toBe(3);
});
