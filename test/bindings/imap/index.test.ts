import { createServer } from "node:net";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import imap from "../../../src/bindings/imap/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { handled, refused } from "../../runtime/fake-app.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeCertificates } from "../certificates.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { openOutput } from "../opened-output.ts";
import { aUser, begin, mailbox, mailOf, propertiesOf } from "./mails.ts";

const soon = { timeout: 15_000, interval: 5 };
const certificates = makeCertificates();
afterAll(() => certificates.remove());

const rich = Buffer.from(
  [
    'From: "Ä, Shop" <shop@example.com>',
    "To: a@example.com, B <b@example.com>",
    "Cc: c@example.com",
    "Subject: =?utf-8?B?R3LDvMOfZSDwn5iA?=",
    "Message-ID: <rich@example.com>",
    "Date: Mon, 30 Nov 2026 01:02:03 +0100",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=mixed",
    "",
    "--mixed",
    "Content-Type: multipart/alternative; boundary=alternative",
    "",
    "--alternative",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Gr=FC=DFe",
    "--alternative",
    "Content-Type: text/html; charset=utf-8",
    "",
    "<b>Grüße</b>",
    "--alternative--",
    "--mixed",
    'Content-Type: application/pdf; name="../../a.pdf"',
    "Content-Disposition: attachment; filename*=utf-8''..%2F..%2F%C3%A4.pdf",
    "Content-Transfer-Encoding: base64",
    "",
    "AAECAw==",
    "--mixed--",
    "",
  ].join("\r\n"),
);

describeWith("dovecot", (server) => {
  test("a message is JSON, and is unseen until it was handled", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.append("INBOX", rich);
    const asked = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(server, user, {}, () => asked.promise);
    await vi.waitFor(() => expect(app.deliveries).toHaveLength(1), soon);
    expect(await flags()).toEqual([[]]);
    const [delivery] = app.deliveries;
    const mail = JSON.parse(Buffer.from(delivery?.data ?? []).toString()) as { headers: object[] };
    expect(mail).toMatchObject({
      from: { name: "Ä, Shop", address: "shop@example.com" },
      to: [{ address: "a@example.com" }, { name: "B", address: "b@example.com" }],
      cc: [{ address: "c@example.com" }],
      subject: "Grüße 😀",
      messageId: "<rich@example.com>",
      date: "2026-11-30T00:02:03.000Z",
      text: expect.stringContaining("Grüße") as string,
      html: expect.stringContaining("<b>Grüße</b>") as string,
      attachments: [
        {
          filename: "../../ä.pdf",
          contentType: "application/pdf",
          disposition: "attachment",
          content: "AAECAw==",
        },
      ],
    });
    expect(mail.headers).toContainEqual({ name: "Cc", value: "c@example.com" });
    expect(delivery?.metadata).toMatchObject({
      ...{ mailbox: "INBOX", uid: "1", subject: "Grüße 😀", size: String(rich.length) },
      uidValidity: expect.stringMatching(/^\d+$/) as string,
      receivedAt: expect.stringMatching(/^20\d\d-/) as string,
    });
    asked.resolve(handled);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await vi.waitFor(async () => expect(await flags()).toEqual([["\\Seen"]]), soon);
  });

  test("format raw is the message as it is", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    await client.append("INBOX", rich);
    const { app, status } = await begin(server, user, { format: "raw" });
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(Buffer.from(app.deliveries[0]?.data ?? []).equals(rich)).toBe(true);
  });

  test("new messages come at once by IDLE, which a heartbeat does not end", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const { status } = await begin(server, user, { pollInterval: "1h", format: "raw" });
    for (let sent = 1; sent <= 3; sent++) {
      await client.append("INBOX", mailOf(Buffer.from("x")));
      await vi.waitFor(() => expect(status().handled).toBe(sent), soon);
    }
  });

  test("without IDLE they come by polling", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const { status } = await begin(server, user, { idle: "false", pollInterval: "100ms" });
    await client.append("INBOX", mailOf(Buffer.from("x")));
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  });

  test("a keyword marks what was handled, seen or not", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.append("INBOX", mailOf(Buffer.from("1")), ["\\Seen"]);
    await client.append("INBOX", mailOf(Buffer.from("2")), ["$Handled"]);
    const more = { onHandled: "flag", flag: "$Handled" };
    const { app, status, runtime } = await begin(server, user, more);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await runtime.close();
    expect(app.deliveries.map(({ metadata }) => metadata["uid"])).toEqual(["1"]);
    expect((await flags()).map((one) => one.toSorted())).toEqual([
      ["$Handled", "\\Seen"],
      ["$Handled"],
    ]);
  });

  test.each(["Done", 'Dür & "quoted" \\ back', "日本語", "a%b*c", "-&-"])(
    "handled messages are moved to %j",
    async (moveTo) => {
      const user = aUser();
      const { client, flags } = await mailbox(server, user);
      const source = `${moveTo} new`;
      await client.mailboxCreate(moveTo);
      await client.mailboxCreate(source);
      await client.append(source, mailOf(Buffer.from("1")), ["\\Seen"]);
      await client.append(source, mailOf(Buffer.from("2")));
      const more = { mailbox: source, onHandled: "move", moveTo };
      const { status, runtime } = await begin(server, user, more);
      await vi.waitFor(() => expect(status().handled).toBe(2), soon);
      await runtime.close();
      expect(await flags(source)).toEqual([]);
      expect(await flags(moveTo)).toEqual([["\\Seen"], []]);
    },
  );

  test("where a mailbox to move to is missing, nothing is handled twice, and the state says so", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.append("INBOX", mailOf(Buffer.from("1")));
    const more = { onHandled: "move", moveTo: "Missing", pollInterval: "50ms" };
    const { app, status } = await begin(server, user, more);
    await vi.waitFor(
      () =>
        expect(status().reason).toMatch(
          /refuses .* moved to Missing, which does not exist; it is tried again/,
        ),
      soon,
    );
    await client.mailboxCreate("Missing");
    await vi.waitFor(async () => expect(await flags("Missing")).toEqual([[]]), soon);
    expect(app.deliveries).toHaveLength(1);
    await vi.waitFor(() => expect(status().reason).toBe(""), soon);
  });

  test("only messages that the filters name are read", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const mail = (subject: string, from: string) =>
      client.append("INBOX", Buffer.from(`From: ${from}\r\nSubject: ${subject}\r\n\r\nx\r\n`));
    await mail('say "hello" \\ *', "a@example.com");
    await mail("=?utf-8?B?R3LDvMOfZQ==?=", "a@example.com");
    await mail('say "hello" \\ *', "b@example.com");
    const quoted = await begin(server, user, { subject: '"hello" \\ *', from: "a@example" });
    await vi.waitFor(() => expect(quoted.status().handled).toBe(1), soon);
    expect(quoted.app.deliveries[0]?.metadata["uid"]).toBe("1");
    await quoted.runtime.close();
    const umlaut = await begin(server, user, { subject: "grüße" });
    await vi.waitFor(() => expect(umlaut.status().handled).toBe(1), soon);
    expect(umlaut.app.deliveries[0]?.metadata["uid"]).toBe("2");
  });

  test("a message that is too large is left, and the state says so until it is gone", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.append("INBOX", mailOf(Buffer.alloc(20_000)));
    await client.append("INBOX", mailOf(Buffer.from("small")));
    const more = { maxMessageSize: "10Ki", pollInterval: "50ms" };
    const { app, status } = await begin(server, user, more);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.deliveries[0]?.metadata["uid"]).toBe("2");
    expect(status().reason).toMatch(/^1 message is left unread/);
    await vi.waitFor(async () => expect(await flags()).toEqual([[], ["\\Seen"]]), soon);
    await client.messageFlagsAdd("1", ["\\Seen"]);
    await vi.waitFor(() => expect(status().reason).toBe(""), soon);
  });

  test("what is no MIME is an event all the same", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const mails = [
      "no header at all",
      "\r\n",
      `Content-Type: multipart/mixed; boundary=a\r\n\r\n${"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n".repeat(500)}`,
      `Subject: =?utf-8?Q?a=0D=0ABcc:_b=00?=\r\n\r\nx`,
      `X-${"a".repeat(70_000)}: b\r\n\r\nx`,
    ];
    for (const mail of mails) await client.append("INBOX", Buffer.from(mail));
    const { app, status } = await begin(server, user);
    await vi.waitFor(() => expect(status().handled).toBe(mails.length), soon);
    for (const { data } of app.deliveries)
      expect(JSON.parse(Buffer.from(data ?? []).toString())).toBeTypeOf("object");
    // oxlint-disable-next-line no-control-regex -- they must not be there
    expect(app.deliveries[3]?.metadata["subject"]).not.toMatch(/[\0\r\n]/);
  });

  test("a returned message comes again, and one that somebody else has read does not come", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    await client.append("INBOX", mailOf(Buffer.from("1")));
    const { app, status, runtime } = await begin(server, user, {}, () => refused());
    await vi.waitFor(() => expect(app.deliveries.length).toBeGreaterThan(1), soon);
    await runtime.close();
    expect(status().handled).toBe(0);
    await client.mailboxOpen("INBOX");
    await client.messageFlagsAdd("1", ["\\Seen"]);
    await client.append("INBOX", mailOf(Buffer.from("2")));
    const again = await begin(server, user);
    await vi.waitFor(() => expect(again.status().handled).toBe(1), soon);
    expect(again.app.deliveries[0]?.metadata["uid"]).toBe("2");
  });

  test("a mailbox that is not there is waited for", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const { status } = await begin(server, user, { mailbox: "Later" });
    await vi.waitFor(() => expect(status().reason).toMatch(/cannot open the mailbox Later/), soon);
    expect(status().state).toBe("reconnecting");
    await client.mailboxCreate("Later");
    await client.append("Later", mailOf(Buffer.from("1")));
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  });

  test("opening selects and marks nothing; a wrong password is told without it", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.append("INBOX", mailOf(Buffer.from("1")));
    const opened = await openOutput(imap, propertiesOf(server, user));
    await opened.ping();
    await opened[Symbol.asyncDispose]();
    expect(await flags()).toEqual([[]]);
    const wrong = openOutput(imap, { ...propertiesOf(server, user), password: "wr0ng" });
    await expect(wrong).rejects.toMatchObject({ reason: "unauthenticated" });
    await expect(wrong).rejects.not.toThrow(/wr0ng/);
  });
});

describeWith("dovecot", { own: true, config: ["imap_capability = IMAP4rev1"] }, (server) => {
  test("a server that has neither IDLE nor MOVE", async () => {
    const user = aUser();
    const { client, flags } = await mailbox(server, user);
    await client.mailboxCreate("Done");
    const more = { onHandled: "move", moveTo: "Done", pollInterval: "50ms" };
    const { status, runtime } = await begin(server, user, more);
    await client.append("INBOX", mailOf(Buffer.from("1")));
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await runtime.close();
    expect(await flags("Done")).toHaveLength(1);
    expect(await flags()).toEqual([]);
  });
});

describeWith("dovecot", { own: true, tls: certificates.server }, (server) => {
  const { ca: caCert } = certificates;
  const open = async (properties: Record<string, string>): Promise<void> => {
    await using opened = await openOutput(imap, {
      ...{ host: "127.0.0.1", username: "shop", password: "opensesame", ...properties },
    });
    await opened.ping();
  };

  test("TLS from the first byte, and after the greeting", async () => {
    const ports = { implicit: String(server.tlsPort), starttls: String(server.port) };
    for (const [tls, port] of Object.entries(ports)) {
      await open({ tls, port, caCert });
      await open({ tls, port, caCert: certificates.caPath });
      await open({ tls, port, skipTLSVerify: "true" });
      await expect(open({ tls, port })).rejects.toMatchObject({ reason: "unavailable" });
    }
  });

  test("a server without STARTTLS is not logged in to", async () => {
    const seen: string[] = [];
    const fake = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n");
      socket.on("data", (data) => {
        seen.push(data.toString());
        for (const line of data.toString().trim().split("\r\n"))
          socket.write(`${line.split(" ")[0]} OK done\r\n`);
      });
    });
    await new Promise<void>((resolve) => fake.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void fake.close());
    const address = fake.address();
    const port = String(typeof address === "object" ? address?.port : 0);
    await expect(open({ tls: "starttls", port })).rejects.toMatchObject({ reason: "unavailable" });
    expect(seen.join("")).not.toMatch(/LOGIN|AUTHENTICATE|opensesame/i);
  });
});

test("open and ping need no right but the log-in", async () => {
  const refused = new Set<string>();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("* OK [CAPABILITY IMAP4rev1 LOGIN] ready\r\n");
    socket.on("data", (data) => {
      for (const line of data.toString().trim().split("\r\n")) {
        const [tag = "", command = ""] = line.split(" ");
        const isAllowed = /^(LOGIN|LOGOUT)$/i.test(command);
        if (!isAllowed) refused.add(command.toUpperCase());
        socket.write(`${tag} ${isAllowed ? "OK done" : "NO [NOPERM] not for you"}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = String(typeof address === "object" ? address?.port : 0);
  const login = { username: "shop", password: "right" };
  await using opened = await openOutput(imap, { host: "127.0.0.1", port, tls: "none", ...login });
  await opened.ping();
  expect(refused).toContain("NOOP");
});

const tokenServer = startLoopback(({ url, body }, response) => {
  response.setHeader("content-type", "application/json");
  const form = new URLSearchParams(body.toString());
  if (url === "/token") {
    const isRight = form.get("client_secret") === "s3cret" && form.get("scope") === "mail";
    response.statusCode = isRight ? 200 : 401;
    return void response.end(JSON.stringify(isRight ? { access_token: "t0ken" } : {}));
  }
  const active = form.get("token") === "t0ken";
  response.end(JSON.stringify({ active, username: "shop" }));
});
afterAll(async () => (await tokenServer)[Symbol.asyncDispose]());
const { port: tokenPort } = await tokenServer;

describeWith(
  "dovecot",
  { own: true, introspection: `http://127.0.0.1:${tokenPort}/introspect` },
  (server) => {
    const properties = {
      ...{ host: server.host, port: String(server.port), tls: "none", username: "shop" },
      ...{ authType: "oidc", oidcTokenEndpoint: `http://127.0.0.1:${tokenPort}/token` },
      ...{ oidcClientID: "shop", oidcScopes: "mail" },
    };

    test("a token is fetched and logs in", async () => {
      const { client } = await mailbox(server, "shop");
      await client.append("INBOX", mailOf(Buffer.from("1")));
      const all = { ...properties, oidcClientSecret: "s3cret" };
      const { status } = await begin(server, "shop", { ...all, password: "" });
      await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    });

    test("a token that is refused, and a client that gets none", async () => {
      const wrong = openOutput(imap, { ...properties, oidcClientSecret: "other" });
      await expect(wrong).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
      const all = { ...properties, oidcClientSecret: "s3cret", username: "other" };
      await expect(openOutput(imap, all)).rejects.toMatchObject({ reason: "unauthenticated" });
    });
  },
);

test.each<[string, Record<string, string>]>([
  ["no password", { password: "" }],
  ["a password with CR LF", { password: "a\r\nb" }],
  ["a user with NUL", { username: "a\0b" }],
  ["a mailbox with CR LF", { mailbox: "INBOX\r\na LOGOUT" }],
  ["a mailbox with NUL", { mailbox: "a\0b" }],
  ["a mailbox of 64 KiB", { mailbox: "a".repeat(65_536) }],
  ["a filter with CR LF", { subject: "a\r\nb" }],
  ["a filter with NUL", { from: "a\0b" }],
  ["a filter of 64 KiB", { to: "a".repeat(65_536) }],
  ["no flag", { onHandled: "flag" }],
  ["a flag with a space", { onHandled: "flag", flag: "a b" }],
  ["a flag with CR LF", { onHandled: "flag", flag: "a\r\nb" }],
  ["a flag with quotes", { onHandled: "flag", flag: '"a"' }],
  ["a flag that deletes", { onHandled: "flag", flag: "\\Deleted" }],
  ["no mailbox to move to", { onHandled: "move" }],
  ["the mailbox itself to move to", { onHandled: "move", moveTo: "INBOX" }],
  ["a mailbox to move to with CR LF", { onHandled: "move", moveTo: "a\r\nb" }],
  ["a certificate without its key", { clientCert: "x" }],
  ["an authority that is no PEM", { caCert: "x" }],
  ["no token server", { authType: "oidc" }],
])("a component with %s is refused", async (_, properties) => {
  const usual = { host: "127.0.0.1", port: "1", tls: "none", username: "a", password: "b" };
  const opening = openOutput(imap, { ...usual, ...properties });
  await expect(opening).rejects.toMatchObject({ reason: "invalid_argument" });
});
