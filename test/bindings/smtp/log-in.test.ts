import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCertificates } from "../certificates.ts";
import type { Certificates } from "../certificates.ts";
import smtp from "../../../src/bindings/smtp/index.ts";
import { bindingsClient } from "../../rpc/bindings-client.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { openSmtp } from "./component.ts";
import { password, startMailServer, startScripted, usual } from "./mail-server.ts";

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

const tls = () => ({ key: certificates.server.key, cert: certificates.server.cert });
const account = { user: "shop", password };

describe("encryption", () => {
  test("STARTTLS wherever it is offered; the certificate is checked", async () => {
    const server = await startMailServer({ ...tls(), disabledCommands: ["AUTH"] });
    const trusting = await openSmtp(server.port, { caCert: certificates.ca });
    await trusting.invoke("create", {}, { data: "x" });
    const byName = await openSmtp(server.port, { caCert: certificates.ca, host: "localhost" });
    await byName.invoke("create", {}, { data: "x" });
    expect(server.received.map(({ secure }) => secure)).toEqual([true, true]);
    const doubting = await openSmtp(server.port);
    await expect(doubting.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      message: expect.stringMatching(
        /^error from smtp binding, sending email failed: .*certificate/,
      ),
    });
    expect(server.received).toHaveLength(2);
  });

  test("a certificate of another name is refused; skipTLSVerify takes any", async () => {
    const { cert, key } = certificates.client;
    const server = await startMailServer({ cert, key, disabledCommands: ["AUTH"] });
    const doubting = await openSmtp(server.port, { caCert: certificates.ca });
    await expect(doubting.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      effect: "unsent",
    });
    await (await openSmtp(server.port, { skipTLSVerify: "true" })).invoke("create");
    expect(server.received.map(({ secure }) => secure)).toEqual([true]);
  });

  test("requireTLS: nothing goes out where the server offers none", async () => {
    const answer = usual();
    const plain = await startScripted((line) => (line === "STARTTLS" ? "502 no" : answer(line)));
    const output = await openSmtp(plain.port, { requireTLS: "true" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      effect: "rejected",
      message: expect.stringContaining("STARTTLS"),
    });
    expect(plain.lines.join()).not.toContain("MAIL");
    const server = await startMailServer({ ...tls(), disabledCommands: ["AUTH"] });
    const both = { requireTLS: "true", caCert: certificates.ca };
    await (await openSmtp(server.port, both)).invoke("create");
    expect(server.received).toHaveLength(1);
  });
});

describe("logging in", () => {
  test.each([
    [["PLAIN", "LOGIN"], "PLAIN"],
    [["LOGIN"], "LOGIN"],
    [["PLAIN", "LOGIN", "CRAM-MD5"], "CRAM-MD5"],
  ])("of %j by %s", async (authMethods, method) => {
    const server = await startMailServer({ disabledCommands: ["STARTTLS"], authMethods });
    // It is only for tests that a server on this machine takes a password in the clear.
    const output = await openSmtp(server.port, account);
    await output.invoke("create", {}, { data: "x" });
    expect(server.logins.map((login) => [login.method, login.user])).toEqual([[method, "shop"]]);
    expect(server.received[0]?.user).toBe("shop");
  });

  test("over STARTTLS", async () => {
    const server = await startMailServer({ ...tls(), disabledCommands: [] });
    await (await openSmtp(server.port, { ...account, caCert: certificates.ca })).invoke("create");
    expect(server.received[0]).toMatchObject({ user: "shop", secure: true });
  });

  test("none where the server offers none, as in Dapr", async () => {
    const server = await startMailServer();
    await (await openSmtp(server.port, account)).invoke("create");
    expect(server.received[0]?.user).toBeUndefined();
  });

  test("PLAIN goes to no other machine in the clear", async () => {
    const greeting = usual();
    const server = await startScripted(
      (line) => (line.startsWith("EHLO") ? "250-test\r\n250 AUTH PLAIN" : greeting(line)),
      // An address of this machine that does not look like it.
      "127.0.0.2",
    );
    const output = await openSmtp(server.port, { ...account, host: "127.0.0.2" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      message: expect.stringContaining("unencrypted connection"),
    });
    expect(server.lines.join()).not.toContain("AUTH");
  });

  test.each([["PLAIN"], ["LOGIN"], ["CRAM-MD5"]])(
    "refused: %s; no form of the password is in the error, though the server repeats it",
    async (method) => {
      const wrong = "wr0ng/canary p@ss";
      const server = await startMailServer({
        disabledCommands: ["STARTTLS"],
        authMethods: [method],
      });
      const output = await openSmtp(server.port, { user: "shop", password: wrong });
      const error: unknown = await output
        .invoke("create", {}, { data: "x" })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        reason: "unauthenticated",
        effect: "rejected",
        systemCode: "535",
        message: "error from smtp binding, sending email failed: the log-in was refused: 535",
      });
      expectNo(wrong, error, output.logger);
    },
  );

  test("a server that repeats the password later is not quoted with it", async () => {
    const base64 = Buffer.from(`\0shop\0${password}`).toString("base64");
    for (const echoed of [password, encodeURIComponent(password), base64]) {
      const other = usual();
      const server = await startScripted((line) =>
        line.startsWith("EHLO")
          ? "250-test\r\n250 AUTH PLAIN"
          : line.startsWith("AUTH")
            ? "235 welcome"
            : line.startsWith("MAIL")
              ? `550 5.7.1 not with ${echoed}`
              : other(line),
      );
      const output = await openSmtp(server.port, account);
      const error: unknown = await output
        .invoke("create", {}, { data: "x" })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        message:
          "error from smtp binding, sending email failed: 550 5.7.1 not with *** (the answer to MAIL FROM)",
      });
      expectNo(password, error, output.logger);
    }
  });
});

test("nothing secret is in the runtime's log, errors or state, whatever the server repeats", async () => {
  const { privateKey: key } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const sent: string[] = [];
  const server = await startScripted((line) => {
    sent.push(line);
    if (line === "") return "220 test";
    if (line.startsWith("EHLO")) return "250-test\r\n250 AUTH PLAIN";
    return sent.length > 20 ? "end" : `535 5.7.8 what is ${line} ${password}?`;
  });
  const { runtime, lines, status } = startRuntime({ bindings: [smtp] });
  const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
  const signing = { dkimDomain: "example.com", dkimSelector: "s", dkimPrivateKey: key };
  const values = { direction: "output", host: "127.0.0.1", port: String(server.port) };
  const all = { ...values, ...mail, ...account, ...signing };
  const resolve = async () => ({ values: all, secrets: [] });
  await runtime.apply([component("smtp", {}, { resolve })]);
  const client = bindingsClient(runtime);
  const invocation = { name: "orders", operation: "create", data: Buffer.from("x") };
  const { results } = await client.invokeBindingBatch({ invocations: [invocation] });
  const [first] = results;
  expect(first?.result.case).toBe("error");
  const told = (_: string, value: unknown): unknown =>
    typeof value === "bigint" ? String(value) : value;
  const text = JSON.stringify([first, lines, status()], told);
  expect(text).toContain("535 5.7.8");
  for (const form of [
    password,
    encodeURIComponent(password),
    Buffer.from(password).toString("base64"),
    Buffer.from(`\0shop\0${password}`).toString("base64"),
    key.slice(40, 80),
  ])
    expect(text).not.toContain(form);
});

function expectNo(secret: string, error: unknown, logger: object): void {
  const { message, stack, cause } = error as Error;
  const logged = Object.values(logger as Record<string, { mock: { calls: unknown[] } }>);
  const text = JSON.stringify([message, stack, cause, error, logged.map(({ mock }) => mock.calls)]);
  for (const form of [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64"),
    Buffer.from(`\0shop\0${secret}`).toString("base64"),
  ])
    expect(text).not.toContain(form);
}

test.each([
  [{ user: "shop" }, "user and password go together"],
  [{ password: "x" }, "user and password go together"],
  [{ user: "a\0b", password: "x" }, "without NUL"],
  [{ caCert: "nothing" }, "caCert is no certificate"],
  [{ port: "0" }, "must be from 1 to 65535"],
  [{ port: "mail" }, "is not an integer"],
  [{ priority: "6" }, "priority value must be between 1"],
  [{ priority: "high" }, "priority value must be between 1"],
])("%j is refused before anything runs", async (properties, problem) => {
  await expect(openSmtp(25, properties)).rejects.toThrow(problem);
});
