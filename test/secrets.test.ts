import { expect, test } from "vitest";
import { BindingError } from "../src/errors.ts";
import { redactedLogger } from "../src/redacted-logger.ts";
import { secretsOf, withoutSecrets } from "../src/secrets.ts";
import { keepingLogger } from "./runtime/source-event.ts";

test("each secret is hidden wherever it stands, the longer one first", () => {
  const { redact } = secretsOf(["hunter2", "hunter2-long", "abc"]);
  expect(redact("hunter2-long, hunter2 and hunter2; abc")).toBe("***, *** and ***; abc");
});

test("without secrets nothing changes", () => {
  expect(secretsOf([]).redact("text")).toBe("text");
});

const secret = 'p@ss w/ord+"ü\n\\';

test.each([
  ["quoted in JSON", JSON.stringify(`it is ${secret}!`), '"it is ***!"'],
  ["quoted in ASCII", String.raw`p@ss w\/ord+\"\u00FC\n\\`, "***"],
  ["percent-encoded", `?q=${encodeURIComponent(secret)}&r`, "?q=***&r"],
  ["percent-encoded in lower case", encodeURIComponent(secret).toLowerCase(), "***"],
  ["in a form", new URLSearchParams({ a: secret, b: "c" }).toString(), "a=***&b=c"],
  [
    "in base64",
    `Basic ${Buffer.from(`user:${secret}`).toString("base64")}, it said`,
    "Basic ***, it said",
  ],
  ["in base64url", `(${Buffer.from(`{"a":"${secret}"}`).toString("base64url")})`, "(***)"],
  ["in base64, percent-encoded", encodeURIComponent(Buffer.from(secret).toString("base64")), "***"],
])("a secret is hidden %s", (_title, text, shown) => {
  expect(secretsOf([secret]).redact(text)).toBe(shown);
});

test("base64 of a text with a secret is hidden whole, wherever the secret stands in it", () => {
  const { redact } = secretsOf(["hunter2"]);
  for (let before = 0; before < 9; before++) {
    for (let after = 0; after < 9; after++) {
      const text = Buffer.from(`${"u".repeat(before)}hunter2${"v".repeat(after)}`);
      for (const form of ["base64", "base64url"] as const)
        expect(redact(`<${text.toString(form)}>`)).toBe("<***>");
    }
  }
});

test.each([
  [
    "the password of a URL",
    "amqp://shop:p%40ssword@host/x",
    ["p@ssword", "p%40ssword", "p%40ssword@h"],
  ],
  [
    "the lines of a key",
    "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG\n-----END KEY-----",
    ["MIIBVgIBADANBgkqhkiG"],
  ],
])("%s is hidden by itself, too", (_title, whole, parts) => {
  for (const part of parts)
    expect(secretsOf([whole]).redact(`<${part}>`)).toMatch(/^<\*\*\*(@h)?>$/);
});

test("what is named later is hidden from then on, the last 64 of it", () => {
  const { redact, hide } = secretsOf(["password"]);
  expect(redact("token-00 password")).toBe("token-00 ***");
  for (let n = 0; n < 65; n++) hide(`token-${String(n).padStart(2, "0")}`);
  expect(redact("token-00 token-01 token-64 password")).toBe("token-00 *** *** ***");
});

test("an error shows no secret in its text, its code, its metadata and its causes", () => {
  const { redact } = secretsOf(["hunter2"]);
  const cause = Object.assign(new Error("refused"), {
    command: { arguments: ["AUTH", "hunter2"] },
  });
  const one = new BindingError("unauthenticated", "no hunter2", {
    ...{ effect: "unsent", systemCode: "NO-hunter2", retryAfter: 5 },
    metadata: { echo: "aHVudGVyMg==" },
  });
  const shown = withoutSecrets(one, redact);
  expect(shown).toMatchObject({
    ...{ reason: "unauthenticated", effect: "unsent", message: "no ***", systemCode: "NO-***" },
    ...{ retryAfter: 5, metadata: { echo: "***" } },
  });
  const caused = new BindingError("unavailable", "refused", { cause });
  expect(withoutSecrets(caused, redact).cause).toBeUndefined();
  const harmless = new BindingError("unavailable", "refused", { cause: new Error("refused") });
  expect(withoutSecrets(harmless, redact)).toBe(harmless);
});

test("a binding's own lines show no secret, however deep it is in their fields", () => {
  const kept = keepingLogger();
  const logger = redactedLogger(kept, secretsOf(["hunter2"]).redact);
  logger.warn({ reason: "hunter2", more: { list: ["a hunter2", 1] }, messages: 3 }, "no hunter2");
  logger.debug({ error: new Error("hunter2") }, "it failed");
  expect(kept.lines).toEqual([
    {
      level: "warn",
      fields: { reason: "***", more: { list: ["a ***", 1] }, messages: 3 },
      message: "no ***",
    },
    { level: "debug", fields: { error: "***" }, message: "it failed" },
  ]);
});

test("a secret of many backslashes is looked for in no time", () => {
  const { redact } = secretsOf([`${"\\".repeat(40)}x`]);
  const text = `${"\\".repeat(79)}y`;
  const start = performance.now();
  expect(redact(text)).toBe(text);
  expect(performance.now() - start).toBeLessThan(1000);
  expect(redact(JSON.stringify(`${"\\".repeat(40)}x`))).toBe('"***"');
});
